/** The operator's web console as a fetch-style handler, for any server. */
import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { Pool } from 'pg';
import { checkedConnectionString } from '../database/connection-string.ts';
import { isoDates } from '../database/pool.ts';
import { readStatus } from '../operate/status.ts';
import { LruCache } from '../lru.ts';
import { readThroughput } from '../operate/throughput.ts';
import { codeOf } from '../errors.ts';
import type { Connection } from '../node-listener.ts';
import { createRenderer } from '../templates/render.ts';
import type { StoredTenant } from '../tenants/tenant.ts';
import { createTenants, tenantStatement } from '../tenants/tenants.ts';
import { isAssetName, readAssets } from './assets.ts';
import { type Authenticator, createAuthenticator } from './authenticator.ts';
import { createCached } from './cached.ts';
import { createLive } from './live.ts';
import { type ConsoleOptions, parseConsoleOptions } from './options.ts';
import { failurePage, foreignForm, refusal } from './pages/failure.ts';
import { addPages } from './pages/pages.ts';
import { removedPrefix } from './proxy.ts';
import { noStore, pageHeaders, refuseNul } from './security.ts';
import type { ConsoleEnv, Services } from './services.ts';
import { requireSignIn } from './sign-in.ts';

/** The operator's web console. */
export interface Console {
  /**
   * Handles one request. Does not depend on `this`, so it may be passed on as a function. Failed sign-ins are counted
   * by the address of the connection.
   */
  readonly fetch: (request: Request, connection?: Connection) => Promise<Response>;
  /** Ends live streams and, if the console opened it, the pool. */
  readonly close: () => Promise<void>;
}

/** How long a page waits for the counts of a large database before it is shown without them, in milliseconds. */
const countsWaitMs = 150;

/**
 * Creates the console. Reads nothing from the database before the first request.
 *
 * @throws {ConfigurationError} if an option is invalid or two contradict each other.
 */
export function createConsole(options: ConsoleOptions): Console {
  const settings = parseConsoleOptions(options);
  const { logger } = settings;
  const pool = options.pool ?? openPool(options.connectionString ?? '', logger);
  const onError = (error: unknown) => logger.warn({ code: codeOf(error) }, 'the console cannot read the database');
  const cached = <T>(read: () => Promise<T>, freshMs: number) =>
    createCached(read, { freshMs, waitMs: countsWaitMs, onError });
  const status = cached(() => readStatus(pool), 900);
  const live = createLive({ pool, status, captured: settings.captured, onError });
  const services: Services = {
    pool,
    settings,
    live,
    status,
    assets: readAssets(),
    lastHour: cached(() => readThroughput(pool, { periods: 60, periodSeconds: 60 }), 2000),
    lastDay: cached(() => readThroughput(pool, { periods: 48, periodSeconds: 1800 }), 30_000),
    render: createRenderer(),
    tenants: createTenants(readTenant(pool), settings),
  };
  const appFor = createApps(services, createAuthenticator(settings, pool));
  return {
    fetch: async (request, connection) =>
      appFor(removedPrefix(request, settings.trustProxy)).fetch(withPlainBody(request), {
        address: connection?.address,
      }),
    close: async () => {
      live.close();
      if (options.pool === undefined) await pool.end();
    },
  };
}

/** Unnamed: the host's pool may be behind a pooler. */
const readTenant = (pool: Pool) => async (id: string) =>
  (await pool.query<StoredTenant>(tenantStatement.text, [id])).rows;

/** Prefixes that are remembered: a proxy has few. */
const maxPrefixes = 20;

/** Where a proxy removes a prefix from the address, all links must have it. */
function createApps(services: Services, authenticator: Authenticator): (prefix: string) => Hono<ConsoleEnv> {
  const { settings } = services;
  const apps = new LruCache<Hono<ConsoleEnv>>(maxPrefixes);
  return (prefix) =>
    apps.get(prefix, () => {
      const basePath = prefix + settings.basePath;
      return createApp({ ...services, settings: { ...settings, basePath } }, authenticator, settings.basePath);
    });
}

function createApp(services: Services, authenticator: Authenticator, mountPath: string): Hono<ConsoleEnv> {
  const { settings, assets } = services;
  const app = new Hono<ConsoleEnv>({ strict: false }).basePath(mountPath);
  app.use(pageHeaders, noStore);
  app.onError((error, c) => {
    if (error instanceof HTTPException)
      return error.status === 403 ? refusal(c, services, foreignForm) : c.text(error.message, error.status);
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
  requireSignIn(app, services, authenticator);
  app.use(refuseNul);
  addPages(app, services);
  app.notFound((c) => failurePage(c, services, null));
  return app;
}

/**
 * Requests of @hono/node-server only resemble the built-in class, which refuses to copy them when their body is
 * counted.
 */
function withPlainBody(request: Request): Request {
  const { method, headers, signal } = request;
  if (method === 'GET' || method === 'HEAD') return request;
  return new Request(request.url, { method, headers, signal, body: request.body, duplex: 'half' });
}

function openPool(connectionString: string, logger: ConsoleOptions['logger'] & object): Pool {
  const pool = new Pool({
    connectionString: checkedConnectionString(connectionString, 'connectionString'),
    max: 4,
    application_name: 'pg-herald console',
    connectionTimeoutMillis: 10_000,
    ...isoDates,
  });
  pool.on('error', (error) => logger.debug({ code: codeOf(error) }, 'the console lost an idle connection'));
  return pool;
}
