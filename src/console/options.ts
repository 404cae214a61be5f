/** What `createConsole` can be told, checked before anything is served. */
import type { Pool } from 'pg';
import type { EgressOptions } from '../dispatch/egress/egress-options.ts';
import { ConfigurationError } from '../errors.ts';
import type { Brand, Logger } from '../vocabulary.ts';
import { silentLogger } from '../vocabulary.ts';
import type { Catches } from './captured.ts';

/** Who uses the console: a name for the audit, and perhaps fewer rights than the console has. */
export type Visitor = string | { readonly name: string; readonly readOnly?: boolean };

export interface ConsoleOptions {
  /** Pool of the host; it stays open. Give this or `connectionString`. */
  readonly pool?: Pool;
  /** The console opens a pool of 4 connections of its own, and closes it. */
  readonly connectionString?: string;
  /**
   * The host's own authentication: who asks, or null for somebody who must not. Called for every request but those of the style
   * sheet and the script. Give this or `token`.
   */
  readonly authorize?: (request: Request) => Visitor | null | Promise<Visitor | null>;
  /** At least 16 characters. Asked for by a login form, or taken as `Authorization: Bearer`. */
  readonly token?: string;
  /** Refuses every action. Default false. */
  readonly readOnly?: boolean;
  /** Where it is mounted, for example `/admin/herald`. Default: the root. */
  readonly basePath?: string;
  /** For rendering messages and previews; the same as the worker's. */
  readonly brand?: Brand;
  /** Sender in the raw source of a mail, which is made again from the message. Default `noreply@` and the host of `brand.baseUrl`. */
  readonly from?: string;
  /** Keys that endpoints are sealed with, the current one first: needed to send a test ping. */
  readonly secretKeys?: readonly string[];
  /** What a test ping may call beyond public https: addresses. */
  readonly egress?: EgressOptions;
  /** What a development catcher caught in place of the outside world. */
  readonly catches?: Catches;
  /** Hears of failures. Default: silent. */
  readonly logger?: Logger;
}

export interface Settings {
  readonly authorize: NonNullable<ConsoleOptions['authorize']> | null;
  readonly token: string | null;
  readonly readOnly: boolean;
  /** Empty, or with a leading and without a trailing slash. */
  readonly basePath: string;
  readonly brand: Brand;
  readonly from: string;
  readonly secretKeys: readonly string[];
  readonly egress: EgressOptions;
  readonly catches: Catches | null;
  readonly logger: Logger;
}

const shortestToken = 16;

/** Throws ConfigurationError for the first option that is wrong. */
export function parseConsoleOptions(options: ConsoleOptions): Settings {
  const { authorize, token, basePath = '' } = options;
  if ((options.pool === undefined) === (options.connectionString === undefined))
    throw new ConfigurationError('pool', 'give either pool or connectionString');
  if ((authorize === undefined) === (token === undefined))
    throw new ConfigurationError('authorize', 'give either authorize or token: the console is never open to everybody');
  if (token !== undefined && token.trim().length < shortestToken)
    throw new ConfigurationError(
      'token',
      `must have at least ${shortestToken} characters; make one with: openssl rand -base64 32`,
    );
  if (!/^(\/[\w.~-]+)*\/?$/.test(basePath))
    throw new ConfigurationError('basePath', `"${basePath}" is no path; it looks like /admin/herald`);
  const brand = options.brand ?? { appName: 'My application', baseUrl: 'http://localhost' };
  if (!URL.canParse(brand.baseUrl))
    throw new ConfigurationError('brand.baseUrl', `"${brand.baseUrl}" is no absolute URL`);
  return {
    authorize: authorize ?? null,
    token: token?.trim() ?? null,
    readOnly: options.readOnly ?? false,
    basePath: basePath.replace(/\/$/, ''),
    brand,
    from: options.from ?? `noreply@${new URL(brand.baseUrl).hostname}`,
    secretKeys: options.secretKeys ?? [],
    egress: options.egress ?? {},
    catches: options.catches ?? null,
    logger: options.logger ?? silentLogger,
  };
}
