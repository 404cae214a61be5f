/** The options of a worker, with their bounds. */
import { checkedConnectionString } from '../database/connection-string.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { inboxDispatcher, inboxMethod } from '../dispatch/inbox.ts';
import { ConfigurationError } from '../errors.ts';
import { type LinkOptions, parseLinks } from '../recipients/links.ts';
import { guardNamePattern } from '../guard/guard-name.ts';
import { checkBrand } from '../templates/brand.ts';
import type { Brand, Logger } from '../vocabulary.ts';
import type { TelemetryOptions } from '../telemetry/options.ts';
import type { DecryptLabels } from '../secrets.ts';

/** What a worker needs, and its settings. */
export interface WorkerOptions {
  /**
   * The application's database, as a URL with the parameters of libpq, for example
   * `postgres://app:secret@db.example/app?sslmode=verify-full`. The worker opens up to 15 connections.
   */
  readonly connectionString: string;
  /**
   * A dispatcher per delivery method, for example `{ smtp: smtp({...}), webhook: webhook({...}) }`. The method `inbox`
   * is built in: every worker delivers its scheduled messages.
   */
  readonly dispatchers: Readonly<Record<string, Dispatcher>>;
  /** What emails and pages show around the content. */
  readonly brand: Brand;
  /** Any pino logger fits. Default: none. */
  readonly logger?: Logger;
  /** Name in attempts and logs. Default: host name, process id and a random suffix. */
  readonly name?: string;
  /** How long `stop` waits for what is in flight, in seconds; 1 to 900, default 30. */
  readonly stopTimeoutSeconds?: number;
  /** How often the worker polls for due messages, in seconds; 0.1 to 60, default 1. NOTIFY usually wakes it earlier. */
  readonly pollSeconds?: number;
  /** How often the worker looks for leases of dead workers, in seconds; 1 to 60, default 3. */
  readonly superviseSeconds?: number;
  /**
   * Kills the process after its event loop was blocked for so many seconds, so that a supervisor restarts it; 1 to 600.
   * Default 0: never, because the process may be the application's own. `pg-herald worker` uses 30. A process with a
   * debugger attached is not killed.
   */
  readonly watchdogSeconds?: number;
  /** Plans statements once per connection. Set it to false behind PgBouncer's transaction pooling. Default true. */
  readonly prepareStatements?: boolean;
  /**
   * `schema.function` of the database that is asked about all recipients before anything is sent to them. It takes
   * `(recipient_ids text[])` and returns `TABLE (id text, reason text, email text, name text, locale text)`. A row with
   * a reason inhibits the message; its other values replace those of the enqueue. Default: none.
   */
  readonly recipientGuard?: string;
  /** Where spans and metrics go. Default: OpenTelemetry's global providers at the time of `start`. */
  readonly telemetry?: TelemetryOptions;
  /** Decrypts secret labels. Needed if `enqueue` encrypts them. */
  readonly decryptLabels?: DecryptLabels;
  /**
   * Gives every message that its recipient may turn off a link of its own to unsubscribe (RFC 8058) and one to the
   * recipient's preferences. Serve the pages behind them with `createRecipientPages`. An `unsubscribeUrl` of the
   * notification has precedence. Default: none.
   */
  readonly links?: LinkOptions;
}

/**
 * Returns the options with a connection string that the driver reads as libpq would.
 * @throws {ConfigurationError} for the first option that is not valid.
 */
export function checkedOptions(options: WorkerOptions): WorkerOptions {
  const connectionString = checkedConnectionString(options.connectionString, 'connectionString');
  checkBounds(options);
  checkDispatchers(options);
  if (options.links !== undefined) parseLinks(options.links);
  checkRecipientGuard(options);
  return { ...options, connectionString, dispatchers: { ...options.dispatchers, [inboxMethod]: inboxDispatcher() } };
}

function checkBounds(options: WorkerOptions): void {
  const bounds = {
    stopTimeoutSeconds: [1, 900],
    pollSeconds: [0.1, 60],
    superviseSeconds: [1, 60],
    watchdogSeconds: [0, 600],
  } as const;
  for (const [name, [least, most]] of Object.entries(bounds)) {
    const value = options[name as keyof typeof bounds];
    if (value !== undefined && !(value >= least && value <= most))
      throw new ConfigurationError(name, `${value} is out of bounds, use ${least} to ${most}`);
  }
}

function checkRecipientGuard({ recipientGuard }: WorkerOptions): void {
  if (recipientGuard === undefined || guardNamePattern.test(recipientGuard)) return;
  const shown = JSON.stringify(recipientGuard).slice(0, 80);
  throw new ConfigurationError('recipientGuard', `${shown} must be schema.function, in lower case`);
}

function checkDispatchers(options: WorkerOptions): void {
  checkBrand(options.brand);
  if (Object.hasOwn(options.dispatchers, inboxMethod))
    throw new ConfigurationError(`dispatchers.${inboxMethod}`, 'is built in; leave it out, or use another name');
  if (Object.keys(options.dispatchers).length === 0)
    throw new ConfigurationError('dispatchers', 'a worker needs at least one, for example { smtp: smtp({...}) }');
  for (const [method, dispatcher] of Object.entries(options.dispatchers)) {
    const { concurrency, timeoutSeconds } = dispatcher;
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 10_000)
      throw new ConfigurationError(
        `dispatchers.${method}.concurrency`,
        `${concurrency} is out of bounds, use a whole number from 1 to 10000`,
      );
    if (!(timeoutSeconds >= 1 && timeoutSeconds <= 900))
      throw new ConfigurationError(
        `dispatchers.${method}.timeoutSeconds`,
        `${timeoutSeconds} is out of bounds, use 1 to 900`,
      );
  }
}
