/** What is known of the browser's request behind a proxy. */
import type { PageContext } from './services.ts';

const loopback = /^(127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/i;

/** Values of a forwarding header; the proxy next to us added the last one. */
const forwarded = (c: PageContext, name: string) => c.req.header(name)?.split(',').at(-1)?.trim() || undefined;

/**
 * The client's network address. Undefined if it is not known: the server does not say, or the request came through a
 * local proxy that is not trusted, behind which everyone has the same address.
 */
export function clientAddress(c: PageContext, trustProxy: boolean): string | undefined {
  const via = forwarded(c, 'x-forwarded-for');
  const address = typeof c.env?.address === 'string' ? c.env.address : undefined;
  if (trustProxy && via !== undefined) return via;
  return address !== undefined && via !== undefined && loopback.test(address) ? undefined : address;
}

/** The host that the browser asked for. */
export function requestedHost(c: PageContext, trustProxy: boolean): string {
  const via = trustProxy ? forwarded(c, 'x-forwarded-host') : undefined;
  return via ?? c.req.header('host') ?? new URL(c.req.url).host;
}

/** Whether the browser used https. A proxy that is not trusted may say so too: that only makes cookies stricter. */
export function isHttps(c: PageContext): boolean {
  return (forwarded(c, 'x-forwarded-proto') ?? new URL(c.req.url).protocol.replace(':', '')) === 'https';
}

/** The path that a trusted proxy removed from the address, without a trailing slash; empty if there is none. */
export function removedPrefix(request: Request, trustProxy: boolean): string {
  const prefix = trustProxy ? request.headers.get('x-forwarded-prefix') : null;
  return prefix !== null && /^(\/[\w.~-]+)+\/?$/.test(prefix) ? prefix.replace(/\/$/, '') : '';
}
