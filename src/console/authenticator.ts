/**
 * Authenticates a request: by the host's `authorize`, a bearer token, or the session that a sign-in with the token
 * started.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { HTTPException } from 'hono/http-exception';
import type { Pool } from 'pg';
import { readSession, removeSession, writeSession } from './cookies.ts';
import { endSession, isEnded, parseSession, type Session } from './ended-sessions.ts';
import { createGuessLimiter } from './guess-limiter.ts';
import type { Principal, Settings } from './options.ts';
import { clientAddress } from './proxy.ts';
import type { Operator, PageContext } from './services.ts';

/** Finds out who sends a request. */
export interface Authenticator {
  /**
   * Returns null if the request is not authenticated, or the response that the host's `authorize` gave instead.
   *
   * @throws {HTTPException} 429 if a bearer token is wrong, or not compared, after too many failures.
   */
  operatorOf(c: PageContext): Promise<Operator | Response | null>;
  /** Starts a session if the token is right, and says why it does not otherwise. */
  signIn(c: PageContext, given: { readonly token: string; readonly name: string }): Promise<'ok' | 'busy' | 'wrong'>;
  /** Ends the session, on every replica and for every copy of its cookie. */
  signOut(c: PageContext): Promise<void>;
}

const sessionSeconds = 12 * 3600;
const maxNameLength = 100;

/** Creates the authenticator that the settings ask for. `pool` stores which sessions were signed out. */
export function createAuthenticator(settings: Settings, pool: Pool): Authenticator {
  const { token, authorize, readOnly, trustProxy } = settings;
  // Derived from the token: a stolen cookie does not give the token away, a new token ends all sessions, and every
  // replica accepts the sessions of the others.
  const key = createHmac('sha256', token ?? randomBytes(32))
    .update('pg-herald console session')
    .digest('base64url');
  const guesses = createGuessLimiter();

  function check(c: PageContext, given: string): 'ok' | 'busy' | 'wrong' {
    const address = clientAddress(c, trustProxy);
    if (guesses.isBlocked(address)) return 'busy';
    if (isToken(given, token)) return 'ok';
    guesses.recordFailure(address);
    return guesses.isBusy() ? 'busy' : 'wrong';
  }

  async function session(c: PageContext): Promise<Session | null> {
    const found = token === null ? null : parseSession(await readSession(c, key));
    return found === null || (await isEnded(pool, found.id)) ? null : found;
  }

  return {
    async operatorOf(c) {
      if (authorize !== null) return hostOperator(await authorize(c.req.raw), readOnly);
      const bearer = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
      if (bearer === undefined) {
        const found = await session(c);
        return found && { name: found.name, readOnly, by: 'session' };
      }
      const result = check(c, bearer);
      if (result === 'busy') throw new HTTPException(429, { message: 'Too many failed attempts; wait a minute.' });
      return result === 'ok' ? { name: 'bearer token', readOnly, by: 'bearer' } : null;
    },

    async signIn(c, given) {
      const result = check(c, given.token.trim());
      if (result !== 'ok') return result;
      const name = Buffer.from(cleanName(given.name)).toString('base64url');
      const text = `${Date.now() + sessionSeconds * 1000}.${name}.${randomBytes(16).toString('base64url')}`;
      await writeSession(c, settings, { session: text, key, maxAgeSeconds: sessionSeconds });
      return 'ok';
    },

    async signOut(c) {
      const found = await session(c);
      removeSession(c, settings);
      if (found !== null) await endSession(pool, found);
    },
  };
}

function hostOperator(principal: Principal | Response | null, readOnly: boolean): Operator | Response | null {
  if (principal === null || isResponse(principal)) return principal;
  const { name, readOnly: restricted = false } = typeof principal === 'string' ? { name: principal } : principal;
  return { name: cleanName(name), readOnly: readOnly || restricted, by: 'host' };
}

/** Servers may bring a class of responses of their own. */
export function isResponse(result: Principal | Operator | Response): result is Response {
  return typeof result === 'object' && 'headers' in result;
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
