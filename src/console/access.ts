/** Who is asking: the host's answer, a bearer token, or the session that a login with the token began. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Settings, Visitor } from './options.ts';

export interface Operator {
  /** For the audit. */
  readonly name: string;
  readonly readOnly: boolean;
  /** How the request proved it; a bearer token cannot be sent by another site. */
  readonly by: 'host' | 'session' | 'bearer';
}

export const sessionSeconds = 12 * 3600;
const longestName = 100;

/** Failed logins from everywhere within a minute, before the form asks for patience. */
const failuresPerMinute = 20;

export function createAccess(settings: Settings) {
  const { token, authorize, readOnly } = settings;
  // Whoever steals a cookie has a session, not the token; a new token ends all sessions, and every replica knows them.
  const key = createHmac('sha256', token ?? randomBytes(32))
    .update('pg-herald console session')
    .digest();
  const failures: number[] = [];
  const sign = (text: string) => createHmac('sha256', key).update(text).digest('base64url');

  function sessionOf(cookie: string | undefined): Operator | null {
    const [until = '', name = '', nonce = '', signature = ''] = cookie?.split('.') ?? [];
    if (token === null || !equal(signature, sign(`${until}.${name}.${nonce}`))) return null;
    if (!(Number(until) > Date.now())) return null;
    return { name: Buffer.from(name, 'base64url').toString('utf8'), readOnly, by: 'session' };
  }

  return {
    /** Null: nobody who may see anything. */
    async operatorOf(request: Request, cookie: string | undefined): Promise<Operator | null> {
      if (authorize !== null) return operatorFrom(await authorize(request), readOnly);
      const bearer = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
      if (bearer !== undefined) return matches(bearer, token) ? { name: 'bearer token', readOnly, by: 'bearer' } : null;
      return sessionOf(cookie);
    },

    /** The cookie of a new session, or why there is none; `busy` after too many failures. */
    login(given: string, name: string): { readonly session: string } | { readonly refused: 'busy' | 'wrong' } {
      const now = Date.now();
      while (failures[0] !== undefined && failures[0] < now - 60_000) failures.shift();
      if (failures.length >= failuresPerMinute) return { refused: 'busy' };
      if (!matches(given.trim(), token)) {
        failures.push(now);
        return { refused: 'wrong' };
      }
      const who = Buffer.from(cleanName(name) || 'operator').toString('base64url');
      const session = `${now + sessionSeconds * 1000}.${who}.${randomBytes(16).toString('base64url')}`;
      return { session: `${session}.${sign(session)}` };
    },
  };
}

export type Access = ReturnType<typeof createAccess>;

function operatorFrom(visitor: Visitor | null, readOnly: boolean): Operator | null {
  if (visitor === null) return null;
  const { name, readOnly: limited = false } = typeof visitor === 'string' ? { name: visitor } : visitor;
  return { name: cleanName(name) || 'operator', readOnly: readOnly || limited, by: 'host' };
}

function cleanName(name: string): string {
  return name
    .replace(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, longestName);
}

function matches(given: string, token: string | null): boolean {
  return token !== null && equal(given, token);
}

/** Takes the same time whatever differs. */
function equal(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
