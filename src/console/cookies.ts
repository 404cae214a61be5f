/** The console's cookies: none can be read by a script, none is sent along from another site. */
import { getCookie, setCookie } from 'hono/cookie';
import { isSecure } from './security.ts';
import type { PageContext, Services } from './services.ts';

export const sessionCookie = 'herald_session';
export const csrfCookie = 'herald_form';
const noteCookie = 'herald_note';

/** Without `maxAge` (seconds) until the browser is closed; 0 removes it. */
export function keepCookie(
  c: PageContext,
  { settings }: Services,
  cookie: { readonly name: string; readonly value: string; readonly maxAge?: number },
): void {
  setCookie(c, cookie.name, cookie.value, {
    httpOnly: true,
    sameSite: 'Strict',
    secure: isSecure(c),
    path: settings.basePath || '/',
    ...(cookie.maxAge !== undefined && { maxAge: cookie.maxAge }),
  });
}

/** Shown on the next page, once. */
export function leaveNote(c: PageContext, services: Services, note: string): void {
  keepCookie(c, services, { name: noteCookie, value: note.slice(0, 500), maxAge: 60 });
}

/** Null where there is none, and for a page that only brings itself up to date. */
export function takeNote(c: PageContext, services: Services): string | null {
  const note = getCookie(c, noteCookie);
  if (!note || c.req.header('x-live') !== undefined) return null;
  keepCookie(c, services, { name: noteCookie, value: '', maxAge: 0 });
  return note;
}
