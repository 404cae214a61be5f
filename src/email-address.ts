/** One e-mail address, strictly: what a notification may be sent to. Pure; used when enqueuing and when dispatching. */
import { domainToASCII } from 'node:url';

export interface Address {
  readonly local: string;
  /** In ASCII (A-labels), lower case. */
  readonly domain: string;
  /** Whether the local part needs SMTPUTF8 (RFC 6531). */
  readonly internationalised: boolean;
}

/** Either the address, or what is wrong with it in words that do not repeat it. */
export type ParsedAddress = { readonly address: Address } | { readonly problem: string };

// RFC 5321 Dot-string: no quoted local parts, no comments, no routes, no literals. RFC 6531 adds what is beyond ASCII.
const dotString =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+)*$/u;
const domainName = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Reads one addr-spec of RFC 5321, section 4.1.2; at most 254 octets, local part at most 64. */
export function parseAddress(text: string): ParsedAddress {
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]/u.test(text) || !text.isWellFormed())
    return { problem: 'holds white space or control characters' };
  const at = text.lastIndexOf('@');
  if (at < 1 || at === text.length - 1) return { problem: 'is not of the form name@example.com' };
  const local = text.slice(0, at);
  if (!dotString.test(local)) return { problem: 'has a local part that is not plain (no quotes, comments or lists)' };
  if (Buffer.byteLength(local) > 64) return { problem: 'has a local part of more than 64 bytes' };
  const domain = domainToASCII(text.slice(at + 1)).toLowerCase();
  if (!domainName.test(domain) || /^[\d.]+$/.test(domain)) return { problem: 'has a domain that is no host name' };
  if (Buffer.byteLength(local) + 1 + domain.length > 254) return { problem: 'is longer than 254 bytes' };
  return { address: { local, domain, internationalised: /[^\u0000-\u007f]/.test(local) } };
}

/** As it goes into an envelope. */
export function formatAddress({ local, domain }: Address): string {
  return `${local}@${domain}`;
}
