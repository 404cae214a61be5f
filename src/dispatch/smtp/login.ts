/** Login by access token (XOAUTH2): fetched when needed, shared by all connections of a sender, kept in memory only. */
import { readFileSync } from 'node:fs';
import type { CustomAuthenticationContext } from 'nodemailer/lib/smtp-connection';
import { request } from 'undici';
import type { OAuth2Options } from './oauth2-options.ts';

/** nodemailer's own XOAUTH2 renews a token only where the server answers 334 first, which not all do. */
export const accessTokenLogin = 'ACCESS-TOKEN';

export interface TokenSource {
  /** Logs a connection in; with a new token, once, where the server refuses the one in force. Rejects where that does not help. */
  readonly login: (context: CustomAuthenticationContext) => Promise<void>;
  /** What went wrong the last time, until a token is there again. */
  readonly fault: string | null;
}

/** Its message never holds a token, a secret or what the endpoint wrote, but for the error code of RFC 6749, 5.2. */
class TokenError extends Error {}

interface Token {
  readonly value: string;
  /** By `performance.now()`. */
  readonly endsAt: number;
}

const timeoutMs = 15_000;
const largestAnswer = 65_536;
/** A token is not used in its last minute, or in the last tenth of a short life. */
const marginSeconds = 60;
/** Where the endpoint names no life time. */
const usualSeconds = 3600;
/** After a failure nobody asks again for so long: the endpoint, too, locks out those who hammer. */
const pauseMs = 5000;

export function createTokenSource(options: OAuth2Options): TokenSource {
  let token: Token | null = null;
  let fetching: Promise<Token> | null = null;
  /** Some endpoints replace the refresh token at each grant. Forgotten when the file holds another one. */
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

  /** The token in force; a new one shortly before it ends, and when `refused` is the one that a server did not take. */
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
      const first = await get();
      if (await offer(first, context)) return;
      if (!(await offer(await get(first), context))) throw new TokenError('the server does not take the access token');
    },
    get fault() {
      return failed?.error.message ?? null;
    },
  };
}

/** False where a new token may help. */
async function offer(token: string, context: CustomAuthenticationContext): Promise<boolean> {
  const words = Buffer.from(`user=${context.auth.user}\u0001auth=Bearer ${token}\u0001\u0001`).toString('base64');
  let reply = await context.sendCommand(`AUTH XOAUTH2 ${words}`);
  // The reason, as JSON in base64; the verdict follows an empty line.
  if (reply.status === 334) reply = await context.sendCommand('');
  if (reply.status < 300) return true;
  if (reply.status < 500) throw new TokenError('the server does not take the access token now');
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
  const { statusCode, body } = await request(options.tokenUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: form.toString(),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const answer = await readJson(body);
  if (statusCode !== 200) throw new TokenError(refusal(statusCode, answer.error));
  const { access_token: token, expires_in: life, refresh_token: next } = answer;
  // What is no token of RFC 6750 could break the login's line.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw new TokenError('the token endpoint answered without an access token');
  const seconds = Number(life);
  return {
    token,
    seconds: seconds > 0 ? seconds : usualSeconds,
    refreshToken: typeof next === 'string' && next !== '' ? next : undefined,
  };
}

/** For example `HTTP 400 invalid_grant`: the code is one of a closed list, so an endpoint cannot write into our logs. */
function refusal(status: number, code: unknown): string {
  const known = typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? ` ${code}` : '';
  return `the token endpoint answered HTTP ${status}${known}`;
}

async function readJson(body: AsyncIterable<Uint8Array>): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > largestAnswer) throw new TokenError('the answer of the token endpoint is too large');
    chunks.push(chunk);
  }
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
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
