/** Logins of a sender's connections: by password, or by an access token (XOAUTH2) that all of them share. */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { CustomAuthenticationContext } from 'nodemailer/lib/smtp-connection';
import { readBoundedBody } from '../../bounded-body.ts';
import type { OAuth2Options } from './smtp-options.ts';

/**
 * The name of our login among those of nodemailer. Its own logins send AUTH even where the server does not offer it,
 * and its XOAUTH2 renews a token only where the server replies 334 first, which not all do.
 */
export const customLogin = 'PG-HERALD';

/** Logs a connection in. Rejects if the server does not accept it. */
export type Login = (context: CustomAuthenticationContext) => Promise<void>;

/** Lets one login of a sender try alone until one has succeeded, so that a wrong password is tried once. */
export interface LoginGate {
  /** Whether a login is in progress. */
  readonly busy: boolean;
  login(login: Login): Login;
  /** A connection was lost, perhaps in its login, which nodemailer then never ends: the next login may try. */
  abandon(): void;
}

/** Logins that wait for the first one fail with it. */
export function createLoginGate(): LoginGate {
  let proven = false;
  let current: PromiseWithResolvers<'abandoned' | 'ended'> | null = null;

  async function tryAlone(login: Login, context: CustomAuthenticationContext): Promise<void> {
    const mine = Promise.withResolvers<'abandoned' | 'ended'>();
    // Those that wait get the error; where none waits, only the caller does.
    mine.promise.catch(() => undefined);
    current = mine;
    try {
      await login(context);
      proven = true;
      mine.resolve('ended');
    } catch (error) {
      mine.reject(error);
      throw error;
    } finally {
      if (current === mine) current = null;
    }
  }

  return {
    get busy() {
      return current !== null;
    },
    login: (login) => async (context) => {
      while (!proven && current !== null) await current.promise;
      if (!proven) return tryAlone(login, context);
      try {
        await login(context);
      } catch (error) {
        proven = false;
        throw error;
      }
    },
    abandon() {
      current?.resolve('abandoned');
      current = null;
    },
  };
}

/** Logins by password that we can run, in order of preference. */
const passwordMethods = ['PLAIN', 'LOGIN', 'CRAM-MD5'] as const;

interface PasswordLogin {
  readonly user: string;
  readonly password: string;
  /** Default: what the server offers. */
  readonly method?: string | undefined;
}

/** Logs in by password (RFC 4954). Sends no AUTH where the server does not offer a method that fits. */
export function passwordLogin({ user, password, method }: PasswordLogin): Login {
  return async (context) => {
    const chosen = passwordMethods.find(
      (each) => context.authMethods.includes(each) && (method === undefined || each === method),
    );
    if (chosen === undefined)
      throw new LoginError(
        `the server does not offer ${method === undefined ? 'a login by password' : `AUTH ${method}`}`,
      );
    let reply = await context.sendCommand(firstCommand(chosen, user, password));
    if (chosen === 'LOGIN' && isChallenge(reply)) reply = await context.sendCommand(base64(user));
    if (chosen === 'LOGIN' && isChallenge(reply)) reply = await context.sendCommand(base64(password));
    if (chosen === 'CRAM-MD5' && isChallenge(reply))
      reply = await context.sendCommand(base64(`${user} ${proofOf(reply.response, password)}`));
    if (!reply.response.startsWith('2')) throw new LoginError('the server does not accept the password');
  };
}

function firstCommand(method: (typeof passwordMethods)[number], user: string, password: string): string {
  return method === 'PLAIN' ? `AUTH PLAIN ${base64(`\0${user}\0${password}`)}` : `AUTH ${method}`;
}

/** RFC 2195: the challenge is in base64 behind the code. */
function proofOf(response: string, password: string): string {
  return createHmac('md5', password)
    .update(Buffer.from(response.slice(4), 'base64'))
    .digest('hex');
}

function isChallenge({ response }: { readonly response: string }): boolean {
  return response.startsWith('334');
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** The access tokens of a sender. */
export interface TokenSource {
  /** Logs in, once more with a new token if the server rejects the current one. */
  readonly login: Login;
  /** What went wrong the last time; null once a token was obtained. */
  readonly fault: string | null;
}

/** Its message never holds a password or what a server wrote. */
class LoginError extends Error {}

/**
 * Its message never holds a token, a secret or what the endpoint wrote, except the error code of RFC 6749, section 5.2.
 */
class TokenError extends LoginError {}

interface Token {
  readonly value: string;
  /** By `performance.now()`. */
  readonly endsAt: number;
}

const timeoutMs = 15_000;
const largestAnswer = 65_536;
/** A token is not used in the last minute of its life, or in the last tenth if its life is short. */
const marginSeconds = 60;
/** The lifetime where the endpoint does not say one. */
const usualSeconds = 3600;
/** No request for so long after a failure: token endpoints lock accounts, too. */
const pauseMs = 5000;

/** Tokens are fetched when needed and kept in memory only. */
export function createTokenSource(options: OAuth2Options): TokenSource {
  let token: Token | null = null;
  let fetching: Promise<Token> | null = null;
  /** Some endpoints replace the refresh token with each grant. Forgotten when the file holds another one. */
  let renewed: { readonly given: string; readonly now: string } | null = null;
  let failed: { readonly error: TokenError; readonly at: number } | null = null;

  async function fetchToken(): Promise<Token> {
    try {
      const given = secretOf('refreshToken', options.refreshToken, options.refreshTokenFile);
      const refreshToken = given !== undefined && renewed?.given === given ? renewed.now : given;
      const answer = await grant(options, refreshToken);
      if (given !== undefined && answer.refreshToken !== undefined) renewed = { given, now: answer.refreshToken };
      const margin = Math.min(marginSeconds, answer.seconds / 10);
      token = { value: answer.token, endsAt: performance.now() + (answer.seconds - margin) * 1000 };
      failed = null;
      return token;
    } catch (error) {
      const known = error instanceof TokenError ? error : new TokenError('the token endpoint could not be reached');
      failed = { error: known, at: performance.now() };
      throw known;
    }
  }

  /** The current token; a new one shortly before it ends, and when the server did not accept `refused`. */
  async function get(refused?: string): Promise<string> {
    if (token !== null && token.value !== refused && token.endsAt > performance.now()) return token.value;
    if (fetching === null && failed !== null && performance.now() - failed.at < pauseMs) throw failed.error;
    fetching ??= fetchToken().finally(() => {
      fetching = null;
    });
    return (await fetching).value;
  }

  return {
    async login(context) {
      if (!context.authMethods.includes('XOAUTH2')) throw new LoginError('the server does not offer AUTH XOAUTH2');
      const first = await get();
      if (await offer(first, context)) return;
      if (!(await offer(await get(first), context))) throw new TokenError('the server does not take the access token');
    },
    get fault() {
      return failed?.error.message ?? null;
    },
  };
}

/** @returns false if a new token may help. */
async function offer(token: string, context: CustomAuthenticationContext): Promise<boolean> {
  const words = Buffer.from(`user=${context.auth.user}\u0001auth=Bearer ${token}\u0001\u0001`).toString('base64');
  let reply = await context.sendCommand(`AUTH XOAUTH2 ${words}`);
  // 334 brings the reason as JSON in base64; the final reply follows an empty line.
  if (isChallenge(reply)) reply = await context.sendCommand('');
  // Of a reply of several lines nodemailer's `status` is 0.
  if (reply.response.startsWith('2')) return true;
  if (!reply.response.startsWith('5')) throw new TokenError('the server does not accept the access token now');
  return false;
}

interface Grant {
  readonly token: string;
  readonly seconds: number;
  readonly refreshToken: string | undefined;
}

async function grant(options: OAuth2Options, refreshToken: string | undefined): Promise<Grant> {
  const clientSecret = secretOf('clientSecret', options.clientSecret, options.clientSecretFile);
  const form = new URLSearchParams({
    grant_type: refreshToken === undefined ? 'client_credentials' : 'refresh_token',
    client_id: options.clientId,
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
    ...(options.scope !== undefined && { scope: options.scope }),
  });
  // Never follows a redirect: the form holds the secret.
  const { request } = await import('undici');
  const { statusCode, body } = await request(options.tokenUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: form.toString(),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const answer = await readJson(body);
  if (statusCode !== 200) throw new TokenError(refusal(statusCode, answer.error));
  const { access_token: token, expires_in: life, refresh_token: next } = answer;
  // Anything but a token of RFC 6750 could break the line of the login.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw new TokenError('the token endpoint answered without an access token');
  const seconds = Number(life);
  return {
    token,
    seconds: seconds > 0 ? seconds : usualSeconds,
    refreshToken: typeof next === 'string' && next !== '' ? next : undefined,
  };
}

/** For example `HTTP 400 invalid_grant`. The code is restricted, so that an endpoint cannot write into our logs. */
function refusal(status: number, code: unknown): string {
  const known = typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? ` ${code}` : '';
  return `the token endpoint answered HTTP ${status}${known}`;
}

async function readJson(body: AsyncIterable<Uint8Array>): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readBoundedBody(body, largestAnswer);
  if (bytes === null) throw new TokenError('the answer of the token endpoint is too large');
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function secretOf(name: string, value: string | undefined, file: string | undefined): string | undefined {
  if (file === undefined) return value;
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new TokenError(`cannot read ${name}File ${file} (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
}
