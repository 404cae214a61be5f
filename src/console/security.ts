/** Response headers, request size limits and the check that a request comes from this console's own pages. */
import { createHmac } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { csrf } from 'hono/csrf';
import { secureHeaders } from 'hono/secure-headers';
import { requestedHost } from './proxy.ts';
import type { ConsoleEnv } from './services.ts';

const common = {
  referrerPolicy: 'same-origin',
  permissionsPolicy: { camera: false, geolocation: false, microphone: false },
  strictTransportSecurity: false,
  xFrameOptions: false,
} as const;

/** Pages load nothing from elsewhere and contain nothing inline. A route may set a policy of its own. */
export const pageHeaders = secureHeaders({
  ...common,
  overwrite: false,
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    frameSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
});

/**
 * A rendered email in a frame: no script, no form, no request, and an opaque origin. Emails carry their style in
 * attributes, which can load nothing here.
 */
export const frameHeaders = secureHeaders({
  ...common,
  contentSecurityPolicy: {
    sandbox: [],
    defaultSrc: ["'none'"],
    styleSrc: ["'unsafe-inline'"],
    imgSrc: ['data:'],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'self'"],
  },
});

/** Nothing is cached unless a route says so. */
export const noStore: MiddlewareHandler = async (c, next) => {
  await next();
  if (!c.res.headers.has('cache-control')) c.res.headers.set('Cache-Control', 'no-store');
};

/** No name or id has a NUL, and Postgres refuses it. Queries and forms are cleaned instead. */
export const refuseNul: MiddlewareHandler = async (c, next) =>
  new URL(c.req.url).pathname.includes('%00') ? c.notFound() : await next();

const limitBody = (maxSize: number) =>
  bodyLimit({ maxSize, onError: (c) => c.text(`This form is too large: at most ${maxSize / 1024} KB.`, 413) });

/** Refuses larger bodies before anything parses them. Bodies without a length are counted while they are read. */
export const limitForm = limitBody(256 * 1024);
/** The same for forms that anyone may send. */
export const limitSignInForm = limitBody(16 * 1024);

/**
 * Refuses forms from other sites. Browsers name the site in Sec-Fetch-Site. Those that do not (plain http to another
 * host, old ones) must send an Origin with the requested host. A request with neither does not come from a form.
 */
export const requireSameOrigin = (trustProxy: boolean): MiddlewareHandler<ConsoleEnv> =>
  csrf({
    secFetchSite: (site, c) => site === 'same-origin' && c.req.header('origin') !== 'null',
    origin: (origin, c) => {
      if (c.req.header('sec-fetch-site') !== undefined || !URL.canParse(origin)) return false;
      return requestedHost(c, trustProxy) === new URL(origin).host;
    },
  });

/** The token in every form of ours; another site cannot know it. */
export function formTokenOf(secret: string): string {
  return createHmac('sha256', secret).update('pg-herald console form').digest('base64url');
}
