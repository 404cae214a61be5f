/** The handler that providers of email call when a message came back. */
import { readBoundedBody } from '../bounded-body.ts';
import type { Queryable } from '../database/pool.ts';
import { ConfigurationError } from '../errors.ts';
import { createReturnAddresses } from '../return-address.ts';
import { type Logger, silentLogger } from '../vocabulary.ts';
import { claimOf } from './claim.ts';
import { mostBytes } from './mail.ts';
import type { Provider, Refused } from './provider.ts';
import { type MailgunOptions, mailgun } from './providers/mailgun.ts';
import { type PostmarkOptions, postmark } from './providers/postmark.ts';
import { type ResendOptions, resend } from './providers/resend.ts';
import { type SendGridOptions, sendgrid } from './providers/sendgrid.ts';
import { type SesOptions, ses } from './providers/ses.ts';
import type { SnsNetwork } from './providers/sns.ts';
import { recordClaims } from './record.ts';

/** The options of `createReports`: at least one provider. */
export interface ReportsOptions {
  /** A pool or a connection. Its role has the rights of `herald_worker`. */
  readonly pool: Queryable;
  /** The keys of the return addresses: those of `smtp`'s `envelopeKeys`. SES names messages by them. */
  readonly keys?: readonly string[];
  /** Amazon SES through SNS, at `.../ses`. */
  readonly ses?: SesOptions;
  /** Postmark, at `.../postmark`. */
  readonly postmark?: PostmarkOptions;
  /** Mailgun, at `.../mailgun`. */
  readonly mailgun?: MailgunOptions;
  /** SendGrid, at `.../sendgrid`. */
  readonly sendgrid?: SendGridOptions;
  /** Resend, at `.../resend`. */
  readonly resend?: ResendOptions;
  /** Logs refused requests and errors of the database, without anything that they say. Default: nothing is logged. */
  readonly logger?: Logger;
}

/** Takes reports over HTTP. Mount it where every framework mounts a handler of requests. */
export interface Reports {
  /**
   * Answers one request: 200 when the report is committed, or was before; 403 for what is not signed by the provider;
   * 503 while the database is away, so that the provider tries again. Never rejects.
   */
  fetch(request: Request): Promise<Response>;
}

/** What is different in tests: the time, and Amazon's certificates. */
export interface ReportsSurroundings extends SnsNetwork {
  readonly now: () => Date;
}

/**
 * Creates the handler of reports.
 *
 * @throws {ConfigurationError} if no provider is given, or an option of one is wrong.
 */
export function createReports(options: ReportsOptions): Reports {
  return createReportsIn(options, { fetch, now: () => new Date() });
}

/** The same with other surroundings. */
export function createReportsIn(options: ReportsOptions, surroundings: ReportsSurroundings): Reports {
  const providers = new Map(providersOf(options, surroundings).map((provider) => [provider.name, provider]));
  if (providers.size === 0)
    throw new ConfigurationError('reports', 'needs one of ses, postmark, mailgun, sendgrid and resend');
  const { pool, logger = silentLogger } = options;
  const countRefused = createRefusalCount(pool, logger, surroundings.now);
  return {
    async fetch(request) {
      const provider = providers.get(new URL(request.url).pathname.split('/').findLast((part) => part !== '') ?? '');
      if (provider === undefined) return answer(404, 'no such provider is configured');
      if (request.method !== 'POST') return answer(405, 'reports are posted', { allow: 'POST' });
      try {
        return await take(request, provider, { pool, now: surroundings.now(), countRefused });
      } catch (error) {
        const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
        logger.error({ source: provider.name, code }, 'cannot take a report now; the provider tries again');
        return answer(503, 'try again', { 'retry-after': '60' });
      }
    },
  };
}

interface Taking {
  readonly pool: Queryable;
  readonly now: Date;
  readonly countRefused: (source: string, refused: Refused['refused']) => Promise<void>;
}

async function take(request: Request, provider: Provider, { pool, now, countRefused }: Taking): Promise<Response> {
  const body = await readBoundedBody(request.body, mostBytes);
  if (body === null) return answer(413, 'larger than 1 MB');
  const read = await provider.read({ headers: request.headers, body, now });
  if ('refused' in read) {
    await countRefused(provider.name, read.refused);
    return answer(403, 'refused');
  }
  if (read.length > 0) await recordClaims(pool, read);
  return answer(200, 'recorded');
}

/**
 * Counts refused requests in one row per provider, reason and day, so that a flood of them fills no table. One at a
 * time is counted: the others of a flood are left out, and its count is a lower bound.
 */
function createRefusalCount(pool: Queryable, logger: Logger, now: () => Date): Taking['countRefused'] {
  let counting = false;
  return async (source, refused) => {
    if (counting) return;
    counting = true;
    logger.warn({ source, refused }, 'a report was refused');
    const sourceId = `refused:${refused}:${now().toISOString().slice(0, 10)}`;
    try {
      await recordClaims(pool, [claimOf({ source, sourceId, unmatched: refused })]);
    } catch {
      logger.error({ source }, 'a refused report could not be counted');
    } finally {
      counting = false;
    }
  };
}

function providersOf(options: ReportsOptions, network: SnsNetwork): Provider[] {
  const returns = options.keys === undefined ? null : createReturnAddresses(options.keys);
  return [
    ...(options.ses ? [ses(options.ses, returns, network)] : []),
    ...(options.postmark ? [postmark(options.postmark)] : []),
    ...(options.mailgun ? [mailgun(options.mailgun)] : []),
    ...(options.sendgrid ? [sendgrid(options.sendgrid)] : []),
    ...(options.resend ? [resend(options.resend)] : []),
  ];
}

function answer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { 'content-type': 'text/plain', ...headers } });
}
