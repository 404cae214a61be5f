/** A primary that dies while its standby takes over, with a worker and an application that know them by one name only. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { type Proxy, startProxy } from '../chaos/proxy.ts';
import { runCli } from '../cli/support.ts';
import {
  greeting,
  greetingFile,
  keepingLogger,
  putTemplates,
  scriptedDispatcher,
  testWorker,
} from '../support/application.ts';
import { createDatabase, databaseUrl } from '../support/postgres/databases.ts';
import { type PostgresServer, startPostgres } from '../support/postgres/server.ts';
import { canStandBy, startStandby } from '../support/postgres/standby.ts';
import { until } from '../support/wait.ts';

const name = 'failover';
const settings = { max_connections: '100' };
const possible = await canStandBy();

let primary: PostgresServer;
let standby: PostgresServer;
/** Where the worker and the application each find the database. */
let proxies: { readonly worker: Proxy; readonly application: Proxy };

beforeAll(async () => {
  if (!possible) return;
  primary = await startPostgres({ settings, source: 'system' });
  const url = await createDatabase(primary.url, { name });
  await migrate(url);
  const pool = new Pool({ connectionString: url });
  await putTemplates(pool, { greeting: greetingFile });
  standby = await startStandby(primary, settings);
  // From here on a commit that is confirmed is on both.
  await pool.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
  await pool.query('SELECT pg_reload_conf()');
  await until(
    async () => (await pool.query(`SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`)).rowCount === 1,
    { timeoutMs: 30_000, what: 'a synchronous standby' },
  );
  await pool.end();
  const [worker, application] = await Promise.all([startProxy(primary.port), startProxy(primary.port)]);
  proxies = { worker, application };
}, 120_000);
afterAll(async () => {
  if (!possible) return;
  await Promise.all([proxies.worker.close(), proxies.application.close()]);
  await standby.stop();
  await primary.stop();
}, 60_000);

const through = (proxy: Proxy) => `postgres://postgres@127.0.0.1:${proxy.port}/${name}`;

/** Enqueues one message after the other and rolls every fourth back; knows what was confirmed. */
function startApplication(url: string) {
  const pool = new Pool({ connectionString: url, connectionTimeoutMillis: 5000, query_timeout: 15_000, max: 1 });
  // A connection that breaks tells its query as well; without a listener Node would end this process.
  pool.on('error', () => undefined).on('connect', (client) => void client.on('error', () => undefined));
  const herald = createHerald();
  const committed = new Set<string>();
  const rolledBack = new Set<string>();
  let refusal = '';
  let stopped = false;

  async function enqueueOne(id: string, keep: boolean): Promise<void> {
    const client = await pool.connect();
    let whole = false;
    try {
      await client.query('BEGIN');
      await herald.enqueue(client, greeting, { to: { id, email: `${id}@example.com` }, labels: { who: 'x' } });
      if (!keep) rolledBack.add(id);
      await client.query(keep ? 'COMMIT' : 'ROLLBACK');
      if (keep) committed.add(id);
      whole = true;
    } finally {
      client.release(!whole);
    }
  }

  const running = (async () => {
    for (let n = 0; !stopped; n++) {
      await enqueueOne(randomUUID(), n % 4 !== 3).catch((error: unknown) => {
        refusal = error instanceof Error ? error.message : String(error);
      });
      await sleep(20);
    }
  })();
  return {
    committed,
    rolledBack,
    refusal: () => refusal,
    async stop() {
      stopped = true;
      await running;
      await pool.end();
    },
  };
}

test.skipIf(!possible)(
  'a worker that lands on the standby waits in silence, and delivers what was committed once it is promoted',
  { timeout: 180_000 },
  async () => {
    const logger = keepingLogger();
    const smtp = scriptedDispatcher(async () => {
      await sleep(50);
      return { outcome: 'sent' };
    });
    const worker = testWorker(through(proxies.worker), { dispatchers: { smtp }, logger, pollSeconds: 1 });
    await worker.start();
    const application = startApplication(through(proxies.application));
    const delivered = () => new Set(smtp.deliveries.map(({ recipient }) => recipient.id));
    await until(() => delivered().size > 50, { timeoutMs: 30_000, what: 'traffic' });

    // The name leads the worker to the standby; the application still writes to the primary.
    proxies.worker.redirect(standby.port);
    proxies.worker.cut(1, () => 0);
    await until(() => logger.lines.some(({ message }) => /the database is read-only/.test(message)), {
      timeoutMs: 15_000,
      what: 'a word about the standby',
    });
    const meanwhile = smtp.deliveries.length;
    const before = { attempts: proxies.worker.attempts().all, at: performance.now() };
    const committedBefore = application.committed.size;
    expect(await worker.health()).toMatchObject({
      ready: false,
      checks: expect.arrayContaining([{ name: 'database', ok: false, text: 'read-only' }]),
    });
    const onStandby = { DATABASE_URL: databaseUrl(standby.url, name) };
    expect((await runCli(['status', '--table'], onStandby)).out).toMatch(/the database is a read-only standby/);
    expect(JSON.parse((await runCli(['status', '--json'], onStandby)).out)).toMatchObject({ readOnly: 'standby' });
    await until(() => performance.now() - before.at > 5000 && application.committed.size > committedBefore + 20, {
      timeoutMs: 30_000,
      what: 'the application to go on',
    });
    const perSecond = (proxies.worker.attempts().all - before.attempts) / ((performance.now() - before.at) / 1000);
    expect(perSecond).toBeLessThan(20);
    expect(smtp.deliveries.length).toBe(meanwhile);
    const problems = logger.lines.filter(({ level }) => level === 'error');
    expect(problems.length, JSON.stringify(problems)).toBeLessThanOrEqual(2);

    // The primary dies in the middle of the application's work, and the standby takes its place.
    await primary.stop();
    proxies.application.redirect(standby.port);
    await until(() => /read-only/.test(application.refusal()), { timeoutMs: 15_000, what: 'a refusal' });
    const lastCommit = application.committed.size;
    const promoting = new Pool({ connectionString: databaseUrl(standby.url, name) });
    const promoted = await promoting.query('SELECT pg_promote(true, 60) AS done');
    const promotedAt = performance.now();
    expect(promoted.rows).toEqual([{ done: true }]);
    await until(() => smtp.deliveries.length > meanwhile, { timeoutMs: 30_000, what: 'delivery after the failover' });
    const recoveryMs = performance.now() - promotedAt;
    expect(recoveryMs).toBeLessThan(10_000);
    await until(() => application.committed.size > lastCommit + 50, { timeoutMs: 30_000, what: 'the application' });
    await application.stop();

    // What was committed is delivered, on either server; what was not has left no trace.
    await until(
      async () => (await promoting.query('SELECT FROM herald.message WHERE settled_at IS NULL')).rowCount === 0,
      {
        timeoutMs: 60_000,
        what: 'everything to settle',
      },
    );
    await worker.stop();
    const arrived = delivered();
    expect([...application.committed].filter((id) => !arrived.has(id))).toEqual([]);
    expect([...application.rolledBack].filter((id) => arrived.has(id))).toEqual([]);
    const rows = await promoting.query<{ recipient_id: string; status: string }>(
      'SELECT recipient_id, status FROM herald.message',
    );
    expect(rows.rows.filter(({ status }) => status !== 'sent')).toEqual([]);
    expect(new Set(rows.rows.map((row) => row.recipient_id))).toEqual(arrived);
    // A copy only where the outcome of an attempt is unknown.
    const unknown = await promoting.query(`SELECT FROM herald.attempt WHERE outcome = 'unknown'`);
    expect(smtp.deliveries.length - arrived.size).toBeLessThanOrEqual(unknown.rowCount ?? 0);
    expect(logger.lines.filter(({ message }) => message === 'the database is back').length).toBe(1);
    await promoting.end();
  },
);
