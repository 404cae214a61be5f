/**
 * What PostgreSQL does for every statement of enqueuing, delivering and operating, on a database with 2,000,000 settled
 * messages and a backlog: the server itself tells each plan as it was run (auto_explain, inside functions, too), and none may
 * read through a large table.
 */
import { Client, Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { enqueueMany, recipientOf, labels } from '../../bench/backlog.ts';
import { writeHistory } from '../../bench/history.ts';
import { shippedTemplate } from '../../bench/shipped.ts';
import { migrate } from '../../src/database/migrate.ts';
import { transaction } from '../../src/database/pool.ts';
import { openDatabase } from '../../src/database/database.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { watchMessages } from '../../src/operate/watch-messages.ts';
import { enqueueLagSeconds, readGauges } from '../../src/operate/gauges.ts';
import { countMessages, findMessages, listMessages, showMessage } from '../../src/operate/messages.ts';
import type { MessageFilter } from '../../src/operate/message-filter.ts';
import { purge } from '../../src/operate/purge.ts';
import { readStatus } from '../../src/operate/status.ts';
import { requeueOrphans } from '../../src/delivery/jobs/recover.ts';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { scriptedDispatcher, testWorker } from '../support/application.ts';
import { createDatabase } from '../support/postgres/databases.ts';
import { type PostgresServer, startPostgres, throwawaySettings } from '../support/postgres/server.ts';
import { until } from '../support/wait.ts';

const settled = 2_000_000;
const backlog = 20_000;
/** Rows that a scan may read through: those of the small tables, where an index would be slower. */
const fewRows = 2000;

const memory = { shared_buffers: '512MB', maintenance_work_mem: '512MB', max_wal_size: '8GB' } as const;

let server: PostgresServer;
let url: string;
let pool: Pool;

beforeAll(async () => {
  server = await startPostgres({ settings: { ...throwawaySettings, ...memory } });
  url = await createDatabase(server.url, { name: 'plans' });
  await migrate(url);
  pool = new Pool({ connectionString: url, max: 3 });
  await syncTemplates(pool, (await readTemplates(shippedTemplatesFolder)).sources);
  await writeHistory(pool, settled);
  // A backlog that waits for tomorrow, and one that is due.
  await enqueueMany(pool, 'webhook', backlog);
  await pool.query(`UPDATE herald.message SET next_attempt_at = now() + interval '1 day' WHERE settled_at IS NULL`);
  await pool.query(`UPDATE herald_queue.job SET start_after = now() + interval '1 day'`);
  await pool.query('VACUUM ANALYZE');
  await pool.end();
  await explainEverything();
  listenToEverybody();
  pool = new Pool({ connectionString: url, max: 3 });
}, 600_000);

afterAll(async () => {
  await pool.end();
  await server.stop();
});

/** For sessions that begin from now on. */
async function explainEverything(): Promise<void> {
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_analyze': 'on',
    'auto_explain.log_buffers': 'on',
    'auto_explain.log_timing': 'off',
    'auto_explain.log_nested_statements': 'on',
    'auto_explain.log_format': 'json',
    'auto_explain.log_level': 'notice',
  };
  const admin = new Pool({ connectionString: url, max: 1 });
  for (const [name, value] of Object.entries(settings))
    await admin.query(`ALTER DATABASE plans SET ${name} = '${value}'`);
  await admin.end();
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

interface Logged {
  readonly 'Query Text': string;
  readonly Plan: PlanNode;
}

const seen: Logged[] = [];

/** Every client of this process hears of the plans of its own statements, also those inside of pg-boss. */
function listenToEverybody(): void {
  type Connect = (this: Client, ...input: Parameters<Client['connect']>) => ReturnType<Client['connect']>;
  const connect = Object.getOwnPropertyDescriptor(Client.prototype, 'connect')?.value as Connect;
  vi.spyOn(Client.prototype, 'connect').mockImplementation(function (
    this: Client,
    ...input: Parameters<Client['connect']>
  ) {
    this.on('notice', ({ message = '' }) => {
      const at = message.indexOf('plan:\n');
      if (at < 0) return;
      const statement = JSON.parse(message.slice(at + 6)) as Logged;
      seen.push({ ...statement, 'Query Text': statement['Query Text'].replace(/\s+/g, ' ').trim() });
    });
    return connect.apply(this, input);
  });
}

function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** pg-boss counts the jobs of a busy queue every few seconds and reads them all for that, whatever there are indexes for. */
const countOfJobs = /^BEGIN; SET LOCAL lock_timeout/;

/** Scans that read through more than a few rows, as "table: statement". */
function longScans(statements: readonly Logged[]): string[] {
  const ours = statements.filter((statement) => !countOfJobs.test(statement['Query Text']));
  return ours.flatMap((statement) =>
    nodesOf(statement.Plan)
      .filter((node) => {
        const rows = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0);
        const hot = ['message', 'attempt'].includes(node['Relation Name'] ?? '');
        return (
          node['Node Type'] === 'Seq Scan' &&
          (node['Actual Loops'] ?? 0) > 0 &&
          (hot || rows * (node['Actual Loops'] ?? 1) > fewRows)
        );
      })
      .map((node) => `${node['Relation Name']}: ${statement['Query Text'].slice(0, 200)}`),
  );
}

/** Runs it and returns what the server did meanwhile. */
async function planned(work: () => Promise<unknown>): Promise<Logged[]> {
  seen.length = 0;
  await work();
  return [...seen];
}

/** A part of each statement that must have been seen, so that the test cannot pass by looking at nothing. */
function expectIndexes(statements: readonly Logged[], parts: readonly string[]): void {
  expect(longScans(statements)).toEqual([]);
  for (const part of parts)
    expect(statements.filter((each) => each['Query Text'].includes(part)).length, part).toBeGreaterThan(0);
}

describe(`with ${settled.toLocaleString('en-US')} settled messages no statement reads through a large table`, () => {
  const herald = createHerald();

  test('when an application enqueues, one or many, again under the same key, and cancels', async () => {
    const statements = await planned(async () => {
      const to = Array.from({ length: 300 }, (_, i) => recipientOf(i + 1));
      for (let i = 0; i < 2; i++)
        await herald.enqueue(pool, shippedTemplate, {
          autocommit: true,
          to: recipientOf(7),
          labels,
          dedupeKey: 'one',
          targets: ['workspace-1'],
        });
      await herald.enqueue(pool, shippedTemplate, { autocommit: true, to, labels, dedupeKey: 'many' });
      await transaction(pool, (tx) => herald.cancel(tx, { dedupeKey: 'one' }));
      await transaction(pool, (tx) => herald.cancel(tx, { target: 'workspace-17' }));
    });
    expectIndexes(statements, ['WITH written AS', 'herald.earlier_messages(', 'WITH locked AS']);
  });

  test.each([true, false])('when a worker delivers, statements prepared: %s', async (prepareStatements) => {
    const statements = await planned(async () => {
      await enqueueMany(pool, 'smtp', 1500);
      let first = true;
      const smtp = scriptedDispatcher(
        ({ recipient }) => {
          const again = first && recipient.id === 'u3';
          if (again) first = false;
          return again ? { outcome: 'retry', reason: 'mailbox_full', detail: 'full' } : { outcome: 'sent' };
        },
        { concurrency: 200 },
      );
      const worker = testWorker(url, { dispatchers: { smtp }, prepareStatements });
      await worker.start();
      await until(() => smtp.deliveries.length >= 1501, { timeoutMs: 60_000 });
      await until(async () => (await pool.query(`SELECT FROM herald_queue.job WHERE name = 'smtp'`)).rowCount === 0);
      await worker.stop();
      await requeueOrphans(pool, ['smtp', 'webhook']);
    });
    // Lease, begin, settle, release, pulse, rescue.
    expectIndexes(statements, [
      'FOR UPDATE OF j SKIP LOCKED',
      'WITH locked AS',
      'WITH input AS',
      'DELETE FROM herald_queue',
      'AS "probeDue"',
      'herald.ensure_jobs',
    ]);
  });

  const since = new Date(Date.now() - 80 * 86_400_000);
  const filters: readonly [string, MessageFilter][] = [
    ['none', {}],
    ['status', { status: 'failed' }],
    ['method', { method: 'smtp' }],
    ['template', { template: 'workspace-deleted' }],
    ['recipient', { recipientId: 'u77' }],
    ['target', { target: 'workspace-4711' }],
    ['reason', { reason: 'mailbox_full' }],
    ['dedupe key', { dedupeKey: 'old:100' }],
    ['time', { since, until: new Date(since.getTime() + 60_000) }],
  ];
  test.each(filters)('when an operator lists messages by %s, page by page', async (_, filter) => {
    const statements = await planned(async () => {
      const page = await listMessages(pool, filter, { limit: 50 });
      const last = page.at(-1);
      expect(last).toBeDefined();
      if (last !== undefined) await listMessages(pool, filter, { limit: 50, after: last });
      await findMessages(pool, filter, { limit: 100 });
    });
    expectIndexes(statements, ['ORDER BY m.created_at DESC', 'ORDER BY m.created_at, m.id']);
  });

  test('when an operator looks at one message, and counts what matches a narrow filter', async () => {
    const statements = await planned(async () => {
      const [line] = await listMessages(pool, { recipientId: 'u5' }, { limit: 1 });
      await showMessage(pool, line?.id ?? '');
      await countMessages(pool, { recipientId: 'u5' });
      await countMessages(pool, { target: 'workspace-12' });
    });
    expectIndexes(statements, ['m.notification_id AS', 'count(*) AS n']);
  });

  test('when status and metrics are read, within half a second', async () => {
    const database = openDatabase(
      { connectionString: url, applicationName: 'plans', maxConnections: 1, prepare: false },
      () => undefined,
    );
    await readStatus(pool);
    const statements = await planned(async () => {
      const startedAt = performance.now();
      const { methods } = await readStatus(pool);
      expect(performance.now() - startedAt).toBeLessThan(500);
      expect(methods.find(({ method }) => method === 'webhook')?.pending).toBe(backlog);
      const gauges = await readGauges(database, { seenUntil: null, lagSeconds: enqueueLagSeconds });
      await readGauges(database, { seenUntil: gauges.seenUntil, lagSeconds: 0 });
    });
    await database.pool.end();
    expectIndexes(statements, ['AS "sentLastHour"', 'AS "pausedBy"']);
  });

  test('when an operator follows what changes, and is asked about all that failed', async () => {
    const changes = watchMessages(pool, { status: 'failed' });
    const statements = await planned(async () => {
      await changes.poll();
      await changes.poll();
      await countMessages(pool, { status: 'failed', anyStatus: ['failed', 'expired', 'inhibited', 'held'] }, 10_001);
    });
    expectIndexes(statements, ['WITH picked AS', 'count(*) AS n FROM (']);
  });

  test('when old messages are purged', async () => {
    const statements = await planned(async () => {
      const before = new Date(Date.now() - 90.5 * 86_400_000);
      expect(await purge(pool, { before, batchSize: 5000 })).toBeGreaterThan(0);
    });
    expectIndexes(statements, ['WITH old AS']);
  });
});
