/** Which URLs may be called at all, before any name is resolved. The addresses are checked at connect time. Pure. */
import { isIP } from 'node:net';
import { isForbiddenAddress, type AddressExceptions } from './ip-address.ts';

/** What the operator allows. Endpoints of tenants cannot extend it. */
export interface DestinationPolicy extends AddressExceptions {
  /**
   * Exact names, or suffixes that start with a dot. Trusted whatever they resolve to, with any port and with `http:`.
   */
  readonly allowHosts: readonly string[];
  /** Ports that other URLs may use. */
  readonly ports: readonly number[];
  /** Whether other URLs may use `http:`. */
  readonly allowHttp: boolean;
}

/** A URL that may be called, or why it may not, without any part of the URL: it may hold a secret. */
export type Destination = { readonly url: URL } | { readonly refusal: string };

/** Suffixes that name internal hosts by convention (RFC 6761, 6762, 8375, ICANN's `.internal`). */
const internalSuffixes = [
  'localhost',
  'localdomain',
  'local',
  'internal',
  'home.arpa',
  'lan',
  'intranet',
  'corp',
  'home',
];

/** Parses with the WHATWG rules that undici uses as well, so that both see the same host. */
export function checkDestination(text: string, policy: DestinationPolicy): Destination {
  if (!URL.canParse(text)) return { refusal: 'it is not an absolute URL' };
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return { refusal: 'its scheme is not https' };
  if (url.username !== '' || url.password !== '') return { refusal: 'it contains a user name or password' };
  const refusal = hostRefusal(url, policy);
  return refusal === null ? { url } : { refusal };
}

/** Whether the operator trusts this name, whatever it resolves to. */
export function isTrustedHost(hostname: string, policy: DestinationPolicy): boolean {
  const name = bareHost(hostname);
  return policy.allowHosts.some((host) => (host.startsWith('.') ? name.endsWith(host) : name === host));
}

/** The host without the brackets of an IPv6 literal and without the dot of the root, in lower case. */
export function bareHost(hostname: string): string {
  return hostname
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.+$/, '')
    .toLowerCase();
}

function hostRefusal(url: URL, policy: DestinationPolicy): string | null {
  const host = bareHost(url.hostname);
  if (host === '') return 'it has no host';
  if (isTrustedHost(host, policy)) return null;
  if (isIP(host) !== 0) {
    if (isForbiddenAddress(host, policy)) return 'its address is not public';
    if (policy.allow?.has(host)) return null;
  } else if (isInternalName(host)) return 'its host name is internal';
  if (url.protocol === 'http:' && !policy.allowHttp) return 'its scheme is not https';
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return policy.ports.includes(port) ? null : `port ${port} is not allowed`;
}

function isInternalName(name: string): boolean {
  return !name.includes('.') || internalSuffixes.some((suffix) => name === suffix || name.endsWith(`.${suffix}`));
}
