/**
 * `pg-herald dev`: everything that notifications need on one machine; nothing leaves it. A worker delivers to an email
 * catcher and a webhook catcher, and the console shows what they captured next to its message.
 */
import { resolve } from 'node:path';
import { Pool } from 'pg';
import type { CapturedMessage } from '../console/options.ts';
import { type ConsoleServer, serveConsole } from '../console/index.ts';
import { migrate } from '../database/migrate.ts';
import { createWorker, type Worker } from '../delivery/worker.ts';
import { smtp } from '../dispatch/smtp/smtp.ts';
import { ConfigurationError } from '../errors.ts';
import type { Brand, Logger } from '../vocabulary.ts';
import { workersConnected } from '../operate/workers.ts';
import type { LinkOptions } from '../recipients/links.ts';
import { createSecretBox, labelSecrets } from '../secrets.ts';
import { type CaptureStore, createCaptureStore } from './capture-store.ts';
import { capturingWebhooks } from './webhook-dispatcher.ts';
import { isTaken } from './listen.ts';
import { type Catcher, startMailCatcher } from './mail-catcher.ts';
import { startProjectDatabase } from './project-database.ts';
import { startRecipientServer } from './recipient-server.ts';
import { type SyncReport, watchTemplates } from './template-watch.ts';
import { startWebhookCatcher } from './webhook-catcher.ts';

/** What `pg-herald dev` is asked for. */
export interface DevelopmentOptions {
  /** Null: start the project's own PostgreSQL. */
  readonly databaseUrl: string | null;
  /** The project's folder; its `.pg-herald` holds the database. */
  readonly project: string;
  /** Folders to search for PostgreSQL, in the format of PATH. */
  readonly path: string;
  readonly templates: string;
  /** The file that the types of the templates are written to; null: none. */
  readonly typesFile: string | null;
  /** Whether to use a database that other workers serve. They may really send what this one would capture. */
  readonly force: boolean;
  /** Port of the console; any free one if it is taken. */
  readonly port: number;
  /** Port of the email catcher; any free one if it is taken. */
  readonly smtpPort: number;
  readonly brand: Brand;
  readonly operator: string;
  /** Decrypt secret labels, the current key first. Empty: secret labels are stored unencrypted. */
  readonly secretKeys: readonly string[];
  readonly logger: Logger;
  readonly onCapture: (captured: CapturedMessage) => void;
  readonly onTemplates: (report: SyncReport) => void;
  readonly onTemplateError: (error: unknown) => void;
}

/** Everything that runs. */
export interface Development {
  /** The console. */
  readonly url: string;
  readonly databaseUrl: string;
  /** Describes the project's own database; null: `databaseUrl` was given. */
  readonly databaseDescription: string | null;
  readonly smtpPort: number;
  readonly webhookUrl: string;
  /** Number of other workers on this database. They may really send what this one would capture. */
  readonly otherWorkers: number;
  /** Stops everything that was started, the database last. Idempotent. */
  readonly stop: () => Promise<void>;
}

/** @throws {ConfigurationError} if something cannot be started. What already runs is stopped first. */
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
    const pool = started(new Pool({ connectionString: databaseUrl, max: 4 }), (each) => each.end());
    pool.on('error', () => undefined);
    const otherWorkers = await countWorkers(pool);
    if (own === null && otherWorkers > 0 && !options.force) throw servedByOthers(otherWorkers);
    await migrate(databaseUrl);
    const captured = createCaptureStore({ isMessage: (id) => messageExists(pool, id), onCapture: options.onCapture });
    const end = (catcher: Catcher) => catcher.close();
    const mail = started(await startMailCatcher(captured, options.smtpPort), end);
    const hook = started(await startWebhookCatcher(captured), end);
    const { onTemplates: onReport, onTemplateError: onError } = options;
    const folder = resolve(options.project, options.templates);
    const watched = { folder, typesFile: options.typesFile };
    started(await watchTemplates(pool, watched, { onReport, onError }), (watching) => watching.close());
    const served = started(await serve(pool, captured, options), (server) => server.close());
    const { links } = started(await startRecipientServer(pool, options.brand), (server) => server.close());
    const worker = createCapturingWorker(databaseUrl, { pool, mail, hook, links }, options);
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

/** Works before any migration: a database that is refused is not changed. */
async function countWorkers(pool: Pool): Promise<number> {
  // A fresh database has no tables yet.
  const { rows: found } = await pool.query<{ name: string | null }>(
    `SELECT to_regclass('herald.worker')::text AS name`,
  );
  if (found[0]?.name == null) return 0;
  const { rows } = await pool.query<{ workers: number }>(`SELECT ${workersConnected} AS workers`);
  return rows[0]?.workers ?? 0;
}

/** A tunnel makes a database of production look like one of this machine. */
function servedByOthers(workers: number): ConfigurationError {
  return new ConfigurationError(
    'DATABASE_URL',
    `names a database that ${workers} other ${workers === 1 ? 'worker serves' : 'workers serve'}. If it is ` +
      'production behind a tunnel, its messages would be captured instead of sent. Stop those workers, or pass ' +
      '--force if it is a development database',
  );
}

async function messageExists(pool: Pool, id: string): Promise<boolean> {
  return (await pool.query('SELECT FROM herald.message WHERE id = $1', [id])).rowCount === 1;
}

/** Stops in reverse order. A failure does not keep the others from stopping. */
async function stopAll(cleanup: readonly (() => Promise<unknown>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const end of cleanup) await end().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}

/** Serves on the requested port, or on any free port if that one is taken. */
async function serve(pool: Pool, captured: CaptureStore, options: DevelopmentOptions): Promise<ConsoleServer> {
  const { port, operator, brand, logger, secretKeys } = options;
  const serving = { pool, captured, operator, brand, logger, secretKeys };
  return serveConsole({ ...serving, port }).catch((error: unknown) => {
    if (!isTaken(error)) throw error;
    return serveConsole({ ...serving, port: 0 });
  });
}

interface Capturing {
  readonly pool: Pool;
  readonly mail: Catcher;
  readonly hook: { readonly url: string };
  readonly links: LinkOptions;
}

function createCapturingWorker(
  connectionString: string,
  { pool, mail, hook, links }: Capturing,
  { brand, logger, secretKeys }: DevelopmentOptions,
): Worker {
  return createWorker({
    connectionString,
    brand,
    logger,
    links,
    stopTimeoutSeconds: 5,
    dispatchers: {
      smtp: smtp({
        host: '127.0.0.1',
        port: mail.port,
        tls: 'none',
        from: { name: brand.appName, address: 'noreply@localhost.localdomain' },
      }),
      webhook: capturingWebhooks(pool, hook.url),
    },
    ...(secretKeys.length > 0 && { decryptLabels: labelSecrets(createSecretBox(secretKeys)).decryptLabels }),
  });
}
