/** What every answer says to the browser, and which requests may change something. */
import { createHmac, randomBytes } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';

/** Nothing from elsewhere, nothing inline. */
export const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * For a rendered mail in a frame: no script, no form, no request to anywhere, an origin of its own. Mails carry their look in style
 * attributes, which can reach nothing here.
 */
export const framePolicy =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

export const secureHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  const { headers } = c.res;
  if (!headers.has('content-security-policy')) headers.set('Content-Security-Policy', pagePolicy);
  if (!headers.has('cache-control')) headers.set('Cache-Control', 'no-store');
  headers.set('X-Content-Type-Options', 'nosniff');
  headers.set('Referrer-Policy', 'same-origin');
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  headers.set('Permissions-Policy', 'camera=(), geolocation=(), microphone=()');
};

/**
 * Whether a page of ours sent this. Browsers say so in Sec-Fetch-Site; where they do not (plain http to another host, old ones),
 * the Origin must name the host that was asked for. A request with neither does not come from a form.
 */
export function isSameOrigin(request: Request): boolean {
  const site = request.headers.get('sec-fetch-site');
  if (site !== null && site !== 'same-origin') return false;
  const origin = request.headers.get('origin');
  if (origin === null) return site === 'same-origin';
  if (site === 'same-origin') return origin !== 'null';
  const hosts = [request.headers.get('x-forwarded-host'), request.headers.get('host'), new URL(request.url).host];
  return URL.canParse(origin) && hosts.find((host) => host !== null) === new URL(origin).host;
}

/** A secret that only our pages and this browser share; the form's token is made from it. */
export function newCsrfSecret(): string {
  return randomBytes(24).toString('base64url');
}

export function csrfTokenOf(secret: string): string {
  return createHmac('sha256', secret).update('pg-herald console form').digest('base64url');
}

/** Whether the browser came by https, as far as we or the proxy before us can tell. */
export function isSecure(c: Context): boolean {
  const forwarded = c.req.header('x-forwarded-proto')?.split(',')[0]?.trim();
  return (forwarded ?? new URL(c.req.url).protocol.replace(':', '')) === 'https';
}
