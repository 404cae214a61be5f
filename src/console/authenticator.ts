/**
 * Authenticates a request: by the host's `authorize`, a bearer token, or the session that a sign-in with the token
 * started.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readSession, writeSession } from './cookies.ts';
import type { Principal, Settings } from './options.ts';
import type { Operator, PageContext } from './services.ts';

/** Finds out who sends a request. */
export interface Authenticator {
  /** Returns null if the request is not authenticated. */
  operatorOf(c: PageContext): Promise<Operator | null>;
  /** Starts a session if the token is right, and says why it does not otherwise. */
  signIn(c: PageContext, given: { readonly token: string; readonly name: string }): Promise<'ok' | 'busy' | 'wrong'>;
}

const sessionSeconds = 12 * 3600;
const maxNameLength = 100;

/** Failed sign-ins from anywhere within a minute after which the form refuses further attempts. */
const maxFailuresPerMinute = 20;

/** Creates the authenticator that the settings ask for. */
export function createAuthenticator(settings: Settings): Authenticator {
  const { token, authorize, readOnly } = settings;
  // Derived from the token: a stolen cookie does not give the token away, a new token ends all sessions, and every
  // replica accepts the sessions of the others.
  const key = createHmac('sha256', token ?? randomBytes(32))
    .update('pg-herald console session')
    .digest('base64url');
  const failures: number[] = [];

  async function sessionOperator(c: PageContext): Promise<Operator | null> {
    const [expiresAtMs = '', name = ''] = (await readSession(c, key))?.split('.') ?? [];
    if (token === null || !(Number(expiresAtMs) > Date.now())) return null;
    return { name: Buffer.from(name, 'base64url').toString('utf8'), readOnly, by: 'session' };
  }

  return {
    async operatorOf(c) {
      if (authorize !== null) return hostOperator(await authorize(c.req.raw), readOnly);
      const bearer = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
      if (bearer === undefined) return sessionOperator(c);
      return isToken(bearer, token) ? { name: 'bearer token', readOnly, by: 'bearer' } : null;
    },

    async signIn(c, given) {
      const now = Date.now();
      while (failures[0] !== undefined && failures[0] < now - 60_000) failures.shift();
      if (failures.length >= maxFailuresPerMinute) return 'busy';
      if (!isToken(given.token.trim(), token)) {
        failures.push(now);
        return 'wrong';
      }
      const name = Buffer.from(cleanName(given.name)).toString('base64url');
      const session = `${now + sessionSeconds * 1000}.${name}.${randomBytes(16).toString('base64url')}`;
      await writeSession(c, settings, { session, key, maxAgeSeconds: sessionSeconds });
      return 'ok';
    },
  };
}

function hostOperator(principal: Principal | null, readOnly: boolean): Operator | null {
  if (principal === null) return null;
  const { name, readOnly: restricted = false } = typeof principal === 'string' ? { name: principal } : principal;
  return { name: cleanName(name), readOnly: readOnly || restricted, by: 'host' };
}

function cleanName(name: string): string {
  const cleaned = name
    .replace(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, maxNameLength);
  return cleaned || 'operator';
}

/** Takes the same time wherever the two differ. */
function isToken(given: string, token: string | null): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return token !== null && timingSafeEqual(digest(given), digest(token));
}
