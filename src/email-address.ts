/**
 * One email address, strictly: what an email may be sent to. The same rule as the SQL function `herald.is_address`, so
 * that an address that was enqueued can be sent to. Pure.
 */
import { domainToASCII } from 'node:url';

/** An address that was checked. */
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
/** Letters and digits, of other scripts too. Anything else in a domain could end it, as in a URL. */
const domainCharacters = /^[A-Za-z0-9.\u00a1-\u1fff\u2c00-\u2fff\u3001-\ufdff-]+$/u;
const domainName = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Reads one addr-spec of RFC 5321, section 4.1.2: at most 254 octets, of which the local part has at most 64. */
export function parseAddress(text: string): ParsedAddress {
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]/u.test(text) || !text.isWellFormed())
    return { problem: 'contains white space or control characters' };
  const at = text.lastIndexOf('@');
  if (at < 1 || at === text.length - 1) return { problem: 'is not of the form name@example.com' };
  const local = text.slice(0, at);
  const given = text.slice(at + 1);
  if (!dotString.test(local)) return { problem: 'has a local part that is not plain (no quotes, comments or lists)' };
  if (Buffer.byteLength(local) > 64) return { problem: 'has a local part of more than 64 bytes' };
  // A-labels would hide a hyphen at an end.
  const isPlain = domainCharacters.test(given) && !/(^|\.)-|-(\.|$)/.test(given);
  const domain = isPlain ? domainToASCII(given).toLowerCase() : '';
  if (!domainName.test(domain) || /^[\d.]+$/.test(domain)) return { problem: 'has a domain that is not a host name' };
  if (Buffer.byteLength(text) > 254 || Buffer.byteLength(local) + 1 + domain.length > 254)
    return { problem: 'is longer than 254 bytes' };
  return { address: { local, domain, internationalised: /[^\u0000-\u007f]/.test(local) } };
}

/** The address as it is written in an envelope. */
export function formatAddress({ local, domain }: Address): string {
  return `${local}@${domain}`;
}
