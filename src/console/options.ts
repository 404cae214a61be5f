/** The options of `createConsole`, checked before anything is served. */
import type { Pool } from 'pg';
import type { EgressOptions } from '../dispatch/egress/egress-options.ts';
import { ConfigurationError } from '../errors.ts';
import { checkBrand } from '../templates/brand.ts';
import type { Brand, Logger } from '../vocabulary.ts';
import { silentLogger } from '../vocabulary.ts';

/** Who uses the console: the name for the audit, optionally with fewer rights than the console has. */
export type Principal = string | { readonly name: string; readonly readOnly?: boolean };

/** One email or webhook call that a development catcher captured, so that it did not leave the machine. */
export interface CapturedMessage {
  /** Id within the catcher. */
  readonly id: string;
  /** When it arrived. */
  readonly at: Date;
  /** What it is. */
  readonly kind: 'mail' | 'webhook';
  /** The message that it belongs to. Null if pg-herald did not send it. */
  readonly messageId: string | null;
  /** Recipients of the envelope, or the URL that was called. */
  readonly to: string;
  /** Subject of the email, or title of the payload. */
  readonly title: string;
  /** As it came over the wire: the email with its headers, or the request line, headers and body. */
  readonly raw: Uint8Array;
}

/** Captured emails and webhook calls, as the console reads them. */
export interface CapturedMessages {
  /** Returns them newest first. The console shows the first 200. */
  list(): readonly CapturedMessage[] | Promise<readonly CapturedMessage[]>;
  /** Returns those of one message, oldest first. */
  forMessage(messageId: string): readonly CapturedMessage[] | Promise<readonly CapturedMessage[]>;
}

/** Options of `createConsole`. */
export interface ConsoleOptions {
  /** The host's pool. The console does not close it. Give this or `connectionString`. */
  readonly pool?: Pool;
  /** The console opens, and closes, its own pool of 4 connections. */
  readonly connectionString?: string;
  /**
   * The host's own authentication. Returns who sends the request, null to refuse it, or a response of the host's own,
   * for example `Response.redirect('https://app.example/login')`. Called for every request except those for the style
   * sheet, the script and the icon. Give this or `token`.
   */
  readonly authorize?: (request: Request) => Principal | Response | null | Promise<Principal | Response | null>;
  /** At least 32 characters. The sign-in form asks for it; programs send it as `Authorization: Bearer`. */
  readonly token?: string;
  /** Refuses every action. Default: false. */
  readonly readOnly?: boolean;
  /**
   * Whether a proxy in front of the console sets X-Forwarded-For, -Host and -Prefix itself. Default: false, they are
   * ignored: anyone could send them.
   */
  readonly trustProxy?: boolean;
  /** Where the console is mounted, for example `/admin/herald`. Default: the root. */
  readonly basePath?: string;
  /** Renders messages and previews. Use the worker's. Default: `My application` at `http://localhost`. */
  readonly brand?: Brand;
  /**
   * Sender in an email's source, which is rendered again from the message. Default: `noreply@` and the host of
   * `brand.baseUrl`.
   */
  readonly from?: string;
  /**
   * Keys that endpoints are encrypted with, the current one first. Test calls to endpoints need them. Default: none.
   */
  readonly secretKeys?: readonly string[];
  /** What test calls may reach besides public https: addresses. Default: nothing. */
  readonly egress?: EgressOptions;
  /**
   * The public URL of the recipients' pages, as in the worker's `links`: emails are shown with these links, without the
   * tokens that act for the recipient. Default: emails are shown without them.
   */
  readonly links?: { readonly url: string };
  /** What a development catcher captured. Default: there is no page for it. */
  readonly captured?: CapturedMessages;
  /** Receives failures. Default: silent. */
  readonly logger?: Logger;
}

/** The options with their defaults. */
export interface Settings {
  readonly authorize: NonNullable<ConsoleOptions['authorize']> | null;
  readonly token: string | null;
  readonly readOnly: boolean;
  readonly trustProxy: boolean;
  /** Empty, or with a leading and without a trailing slash. */
  readonly basePath: string;
  readonly brand: Brand;
  readonly from: string;
  readonly secretKeys: readonly string[];
  readonly egress: EgressOptions;
  readonly linksUrl: string | null;
  readonly captured: CapturedMessages | null;
  readonly logger: Logger;
}

const minTokenLength = 32;

/** @throws {ConfigurationError} if an option is invalid or two contradict each other. */
export function parseConsoleOptions(options: ConsoleOptions): Settings {
  const { authorize, token, basePath = '' } = options;
  if ((options.pool === undefined) === (options.connectionString === undefined))
    throw new ConfigurationError('pool', 'give either pool or connectionString');
  if ((authorize === undefined) === (token === undefined))
    throw new ConfigurationError('authorize', 'give either authorize or token: the console is never open to everybody');
  if (token !== undefined && token.trim().length < minTokenLength)
    throw new ConfigurationError(
      'token',
      `must have at least ${minTokenLength} characters; generate one with: openssl rand -base64 32`,
    );
  if (!/^(\/[\w.~-]+)*\/?$/.test(basePath))
    throw new ConfigurationError(
      'basePath',
      `"${basePath}" is not a valid path; expected something like /admin/herald`,
    );
  const brand = options.brand ?? { appName: 'My application', baseUrl: 'http://localhost' };
  checkBrand(brand);
  return {
    authorize: authorize ?? null,
    token: token?.trim() ?? null,
    readOnly: options.readOnly ?? false,
    trustProxy: options.trustProxy ?? false,
    basePath: basePath.replace(/\/$/, ''),
    brand,
    from: options.from ?? `noreply@${new URL(brand.baseUrl).hostname}`,
    secretKeys: options.secretKeys ?? [],
    egress: options.egress ?? {},
    linksUrl: options.links?.url ?? null,
    captured: options.captured ?? null,
    logger: options.logger ?? silentLogger,
  };
}
