/** The operator's web page as a fetch-style handler, for any server. */
import { Hono } from 'hono';
import { Pool } from 'pg';
import { readThroughput } from '../operate/throughput.ts';
import { readStatus } from '../operate/status.ts';
import { codeOf } from '../queue/queue.ts';
import { createRenderer } from '../templates/render.ts';
import { createAccess } from './access.ts';
import { isAssetName, readAssets } from './assets.ts';
import { createKept } from './cached.ts';
import { createLive } from './live.ts';
import { type ConsoleOptions, parseConsoleOptions } from './options.ts';
import { addPages } from './pages/pages.ts';
import { failurePage } from './pages/failure.ts';
import { secureHeaders } from './security.ts';
import type { ConsoleEnv, Services } from './services.ts';
import { addSessions } from './sessions.ts';

export interface Console {
  /** Answers one request. Bind-free: may be passed on as a function. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Ends live streams and, where the console opened it, the pool. */
  readonly close: () => Promise<void>;
}

/** How long a page waits for the charts and counts of a large database before it is shown without them, in milliseconds. */
const patienceMs = 150;

/**
 * Creates the console. It reads nothing before the first request.
 *
 * @throws {ConfigurationError} for options that are wrong or contradict each other.
 */
export function createConsole(options: ConsoleOptions): Console {
  const settings = parseConsoleOptions(options);
  const { logger } = settings;
  const pool = options.pool ?? ownPool(options.connectionString ?? '', settings.logger);
  const onError = (error: unknown) => logger.warn({ code: codeOf(error) }, 'the console cannot read the database');
  const kept = <T>(read: () => Promise<T>, freshMs: number) =>
    createKept(read, { freshMs, waitMs: patienceMs, onError });
  const status = kept(() => readStatus(pool), 900);
  const live = createLive({ pool, status, catches: settings.catches, onError });
  const services: Services = {
    pool,
    settings,
    live,
    status,
    assets: readAssets(),
    lastHour: kept(() => readThroughput(pool, { periods: 60, periodSeconds: 60 }), 2000),
    lastDay: kept(() => readThroughput(pool, { periods: 48, periodSeconds: 1800 }), 30_000),
    render: createRenderer(),
  };
  const app = createApp(services);
  return {
    fetch: async (request) => app.fetch(request),
    close: async () => {
      live.close();
      if (options.pool === undefined) await pool.end();
    },
  };
}

function createApp(services: Services): Hono<ConsoleEnv> {
  const { settings, assets } = services;
  const app = new Hono<ConsoleEnv>({ strict: false }).basePath(settings.basePath);
  app.use(secureHeaders);
  app.onError((error, c) => {
    settings.logger.error({ code: codeOf(error), name: error.name }, 'a page of the console failed');
    return failurePage(c, services, error);
  });
  app.get('/assets/:name', (c) => {
    const name = c.req.param('name');
    if (!isAssetName(name)) return c.notFound();
    return c.body(assets[name].content, 200, {
      'Content-Type': assets[name].type,
      'Cache-Control': 'public, max-age=31536000, immutable',
    });
  });
  addSessions(app, services, createAccess(settings));
  addPages(app, services);
  app.notFound((c) => failurePage(c, services, null));
  return app;
}

function ownPool(connectionString: string, logger: ConsoleOptions['logger'] & object): Pool {
  const pool = new Pool({
    connectionString,
    max: 4,
    application_name: 'pg-herald console',
    connectionTimeoutMillis: 10_000,
  });
  pool.on('error', (error) => logger.debug({ code: codeOf(error) }, 'the console lost an idle connection'));
  return pool;
}
