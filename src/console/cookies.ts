/** The console's cookies. Scripts cannot read them, and browsers do not send them from other sites. */
import { randomBytes } from 'node:crypto';
import { getCookie, getSignedCookie, setCookie, setSignedCookie } from 'hono/cookie';
import type { Settings } from './options.ts';
import { isHttps } from './proxy.ts';
import type { PageContext, Services } from './services.ts';

const sessionCookie = 'herald_session';
const formCookie = 'herald_form';
const noteCookie = 'herald_note';

const attributes = (c: PageContext, settings: Settings) =>
  ({ httpOnly: true, sameSite: 'Strict', secure: isHttps(c), path: settings.basePath || '/' }) as const;

/** The session as it was written; undefined if there is none or its signature is wrong. */
export async function readSession(c: PageContext, key: string): Promise<string | undefined> {
  return (await getSignedCookie(c, key, sessionCookie)) || undefined;
}

/** Starts a session: a signed cookie. */
export async function writeSession(
  c: PageContext,
  settings: Settings,
  { session, key, maxAgeSeconds }: { readonly session: string; readonly key: string; readonly maxAgeSeconds: number },
): Promise<void> {
  await setSignedCookie(c, sessionCookie, session, key, { ...attributes(c, settings), maxAge: maxAgeSeconds });
}

/** Removes the session's cookie. */
export function removeSession(c: PageContext, settings: Settings): void {
  setCookie(c, sessionCookie, '', { ...attributes(c, settings), maxAge: 0 });
}

/**
 * A secret that only this browser and our pages share: the session's cookie, or else a cookie of its own. Form tokens
 * are derived from it.
 */
export function formSecret(c: PageContext, settings: Settings): string {
  const known = getCookie(c, sessionCookie) ?? getCookie(c, formCookie);
  if (known !== undefined) return known;
  const secret = randomBytes(24).toString('base64url');
  setCookie(c, formCookie, secret, attributes(c, settings));
  return secret;
}

/** Leaves a note that the next page shows once. */
export function leaveNote(c: PageContext, { settings }: Services, note: string): void {
  setCookie(c, noteCookie, note.slice(0, 500), { ...attributes(c, settings), maxAge: 60 });
}

/** Returns and removes the note. Null if there is none, or if a page only refreshes itself. */
export function takeNote(c: PageContext, { settings }: Services): string | null {
  const note = getCookie(c, noteCookie);
  if (!note || c.req.header('x-live') !== undefined) return null;
  setCookie(c, noteCookie, '', { ...attributes(c, settings), maxAge: 0 });
  return note;
}
