/**
 * `pg-herald dev`: everything that notifications need, on one machine, and nothing that leaves it. A worker delivers into
 * catchers of mails and webhook calls; the console shows what they caught beside the message that it belongs to.
 */
import { resolve } from 'node:path';
import { Pool } from 'pg';
import type { Catch } from '../console/captured.ts';
import { type ConsoleServer, serveConsole } from '../console/index.ts';
import { migrate } from '../database/migrate.ts';
import { createWorker, type Worker } from '../delivery/worker.ts';
import { smtp } from '../dispatch/smtp/smtp.ts';
import type { Brand, Logger } from '../vocabulary.ts';
import { readStatus } from '../operate/status.ts';
import { createSecretBox, labelSecrets } from '../secrets.ts';
import { type CaughtList, createCatches } from './captured.ts';
import { caughtWebhooks } from './captured-webhooks.ts';
import { type Catcher, startMailCatcher } from './mail-catcher.ts';
import { startProjectDatabase } from './database.ts';
import { type SyncReport, watchTemplates } from './template-watch.ts';
import { startWebhookCatcher } from './webhook-catcher.ts';

export interface DevelopmentOptions {
  /** null: a PostgreSQL of the project's own. */
  readonly databaseUrl: string | null;
  /** Where the project is; its `.pg-herald` holds the database. */
  readonly project: string;
  /** Folders of programs, as in the variable PATH. */
  readonly path: string;
  readonly templates: string;
  readonly port: number;
  readonly brand: Brand;
  readonly operator: string;
  /** Opens secret labels, the current key first; empty: they are stored as they are. */
  readonly secretKeys: readonly string[];
  readonly logger: Logger;
  readonly onCatch: (caught: Catch) => void;
  readonly onTemplates: (report: SyncReport) => void;
  readonly onTemplateError: (error: unknown) => void;
}

export interface Development {
  /** Of the console. */
  readonly url: string;
  readonly databaseUrl: string;
  /** null: it was given. */
  readonly databaseDescription: string | null;
  readonly smtpPort: number;
  readonly webhookUrl: string;
  /** Other workers on this database, which may send for real what this one would have caught. */
  readonly otherWorkers: number;
  /** Stops everything that was started, the database last. Safe to call twice. */
  readonly stop: () => Promise<void>;
}

/** @throws {ConfigurationError} where something cannot be started; what was started before is stopped again. */
export async function startDevelopment(options: DevelopmentOptions): Promise<Development> {
  const cleanup: (() => Promise<unknown>)[] = [];
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= stopAll(cleanup));
  const started = <T>(thing: T, end: (thing: T) => Promise<unknown>): T => {
    cleanup.unshift(() => end(thing));
    return thing;
  };
  try {
    const own =
      options.databaseUrl === null
        ? started(await startProjectDatabase(options.project, options.path), (database) => database.stop())
        : null;
    const databaseUrl = own?.url ?? options.databaseUrl ?? '';
    await migrate(databaseUrl);
    const pool = started(new Pool({ connectionString: databaseUrl, max: 4 }), (each) => each.end());
    pool.on('error', () => undefined);
    const otherWorkers = (await readStatus(pool)).workers;
    const catches = createCatches({ isMessage: (id) => messageExists(pool, id), onCatch: options.onCatch });
    const end = (catcher: Catcher) => catcher.close();
    const mail = started(await startMailCatcher(catches), end);
    const hook = started(await startWebhookCatcher(catches), end);
    const { onTemplates: onReport, onTemplateError: onError } = options;
    const folder = resolve(options.project, options.templates);
    started(await watchTemplates(pool, folder, { onReport, onError }), (watching) => watching.close());
    const served = started(await serve(pool, catches, options), (server) => server.close());
    const worker = createDevelopmentWorker(databaseUrl, { pool, mail, hook }, options);
    started(worker, () => worker.stop());
    await worker.start();
    return {
      url: served.url,
      databaseUrl,
      databaseDescription: own?.description ?? null,
      smtpPort: mail.port,
      webhookUrl: hook.url,
      otherWorkers,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function messageExists(pool: Pool, id: string): Promise<boolean> {
  return (await pool.query('SELECT FROM herald.message WHERE id = $1', [id])).rowCount === 1;
}

/** The newest first; one that cannot be stopped does not keep the others. */
async function stopAll(cleanup: readonly (() => Promise<unknown>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const end of cleanup) await end().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}

/** On the port that was asked for, or on any other where that is taken. */
async function serve(pool: Pool, catches: CaughtList, options: DevelopmentOptions): Promise<ConsoleServer> {
  const { port, operator, brand, logger } = options;
  const serving = { pool, catches, operator, brand, logger };
  return serveConsole({ ...serving, port }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    return serveConsole({ ...serving, port: 0 });
  });
}

function createDevelopmentWorker(
  connectionString: string,
  { pool, mail, hook }: { readonly pool: Pool; readonly mail: Catcher; readonly hook: { readonly url: string } },
  { brand, logger, secretKeys }: DevelopmentOptions,
): Worker {
  return createWorker({
    connectionString,
    brand,
    logger,
    stopTimeoutSeconds: 5,
    dispatchers: {
      smtp: smtp({
        host: '127.0.0.1',
        port: mail.port,
        tls: 'none',
        from: { name: brand.appName, address: 'noreply@localhost.localdomain' },
      }),
      webhook: caughtWebhooks(pool, hook.url),
    },
    ...(secretKeys.length > 0 && { decryptLabels: labelSecrets(createSecretBox(secretKeys)).decryptLabels }),
  });
}
