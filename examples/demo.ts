/**
 * The whole path on one machine, for real: a PostgreSQL, a worker in its own process, a mail server, a webhook receiver
 * and a small host application that deletes workspaces and tells their owners, in one transaction each.
 *
 *   npm start              and look around while it runs
 *   npm start -- --once    ends by itself; the last line is one JSON object
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Pool } from 'pg';
import { migrate, readTemplates, syncTemplates } from '../src/index.ts';
import { createDatabase, dropDatabases } from '../test/support/postgres/databases.ts';
import { resolvePostgres } from '../test/support/postgres/server.ts';
import { until } from '../test/support/wait.ts';
import { owner, workspace } from './application/schema.ts';
import { deleteWorkspace } from './application/workspaces.ts';
import { type Receivers, startReceivers } from './receivers.ts';

const onceOnly = process.argv.includes('--once');
const startedAt = performance.now();
const seconds = () => `${((performance.now() - startedAt) / 1000).toFixed(2).padStart(6)} s`;

type Color = 'cyan' | 'green' | 'red' | 'yellow' | 'dim';
function say(who: string, text: string, color: Color = 'dim'): void {
  console.log(`${styleText('dim', seconds())}  ${styleText(color, who.padEnd(12))} ${text}`);
}

async function demo(): Promise<number> {
  const server = await resolvePostgres();
  const name = `herald_demo_${randomBytes(4).toString('hex')}`;
  const url = await createDatabase(server.url, { name });
  say(
    'postgres',
    `${server.source === 'DATABASE_URL' ? 'the server of DATABASE_URL' : `a real server (${server.source})`}, database ${name}`,
  );
  try {
    return await withDatabase(url);
  } finally {
    await dropDatabases(server.url, name);
    await server.stop();
  }
}

async function withDatabase(url: string): Promise<number> {
  const report = await migrate(url);
  say('migrate', `applied ${report.applied.join(', ')}; queue schema ${report.queueSchema.after}`);
  const pool = new Pool({ connectionString: url });
  const receivers = await startReceivers({
    bouncing: 'grace@example.com',
    refusedTwice: 'analytics',
    onEvent: ({ method, what, text }) => say(method, `${what}  ${text}`, what.startsWith('accepted') ? 'green' : 'red'),
  });
  try {
    const { sources } = await readTemplates(fileURLToPath(new URL('../templates', import.meta.url)));
    const changes = await syncTemplates(pool, sources);
    say('templates', `${changes.length} synced`);
    await createApplicationTables(pool);
    const worker = await startWorker(url, receivers);
    try {
      const result = await scenario(pool, receivers);
      if (!onceOnly) await lookAround(pool, url);
      console.log(JSON.stringify(result));
      return result.lost === 0 && result.duplicates === 0 && result.pending === 0 ? 0 : 1;
    } finally {
      await worker.stop();
    }
  } finally {
    await receivers.close();
    await pool.end();
  }
}

async function startWorker(url: string, receivers: Receivers): Promise<{ stop(): Promise<void> }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('worker.ts', import.meta.url))], {
    env: {
      ...process.env,
      DATABASE_URL: url,
      SMTP_PORT: String(receivers.smtpPort),
      WEBHOOK_URL: receivers.webhookUrl,
      WEBHOOK_SECRET: receivers.webhookSecret,
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const ready = child.stdout === null ? exited : once(child.stdout, 'data');
  await Promise.race([ready, exited.then(() => Promise.reject(new Error('the worker did not start')))]);
  say('worker', `process ${child.pid} is ready`);
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function createApplicationTables(pool: Pool): Promise<void> {
  await pool.query(`CREATE SCHEMA example;
    CREATE TABLE example.owner (id text PRIMARY KEY, name text NOT NULL, email text NOT NULL);
    CREATE TABLE example.workspace (id text PRIMARY KEY, name text NOT NULL, owner_id text NOT NULL REFERENCES example.owner, created_at timestamptz NOT NULL DEFAULT now());`);
  const db = drizzle(pool);
  await db.insert(owner).values([
    { id: 'ada', name: 'Ada Lovelace', email: 'ada@example.com' },
    { id: 'grace', name: 'Grace Hopper', email: 'grace@example.com' },
  ]);
  await db.insert(workspace).values([
    { id: 'w1', name: 'compiler', ownerId: 'ada' },
    { id: 'w2', name: 'analytics', ownerId: 'ada' },
    { id: 'w3', name: 'payroll', ownerId: 'ada' },
    { id: 'w4', name: 'cobol', ownerId: 'grace' },
  ]);
}

interface Result {
  readonly committed: number;
  readonly rolledBack: number;
  readonly sent: number;
  readonly failed: number;
  readonly pending: number;
  readonly duplicates: number;
  readonly lost: number;
  readonly ms: number;
}

async function scenario(pool: Pool, receivers: Receivers): Promise<Result> {
  const db = drizzle(pool);
  const committed: string[] = [];
  let rolledBack = 0;
  for (const id of ['w1', 'w2', 'w4']) {
    const messages = await deleteWorkspace(db, { id, reason: 'it was not used for 90 days' });
    committed.push(...messages.map((message) => message.id));
    say(
      'application',
      `deleted ${id} and enqueued ${messages.map((message) => message.method).join(' + ')}: committed`,
      'cyan',
    );
  }
  try {
    await deleteWorkspace(db, {
      id: 'w3',
      reason: 'it was not used for 90 days',
      confirm: () => {
        throw new Error('the payroll team objects');
      },
    });
  } catch (error) {
    rolledBack += 2;
    say(
      'application',
      `deleted w3 and enqueued smtp + webhook: ${error instanceof Error ? error.message : ''}, rolled back`,
      'yellow',
    );
  }
  const count = async () => {
    const rows = await pool.query<{ status: string; n: number }>(
      'SELECT status, count(*)::int AS n FROM herald.message GROUP BY status',
    );
    return new Map(rows.rows.map((row) => [row.status, row.n]));
  };
  await until(
    async () => {
      const by = await count();
      return !by.has('pending') && !by.has('sending') && receivers.arrivals.length >= (by.get('sent') ?? 0);
    },
    { timeoutMs: 60_000, what: 'everything to settle' },
  );
  const by = await count();
  const arrived = receivers.arrivals.map((arrival) => arrival.messageId);
  const sent = await pool.query<{ id: string }>(`SELECT id FROM herald.message WHERE status = 'sent'`);
  return {
    committed: committed.length,
    rolledBack,
    sent: by.get('sent') ?? 0,
    failed: by.get('failed') ?? 0,
    pending: (by.get('pending') ?? 0) + (by.get('sending') ?? 0),
    duplicates: arrived.length - new Set(arrived).size,
    lost: committed.length - (by.get('failed') ?? 0) - sent.rows.filter((row) => arrived.includes(row.id)).length,
    ms: Math.round(performance.now() - startedAt),
  };
}

/** Until Ctrl-C, or Enter: another workspace is created and deleted each time. */
async function lookAround(pool: Pool, url: string): Promise<void> {
  say('you', `look around:  psql ${url}`, 'cyan');
  say('you', `ask:          DATABASE_URL=${url} npm run pg-herald -- messages list`, 'cyan');
  say('you', 'Enter deletes another workspace, Ctrl-C ends', 'cyan');
  const db = drizzle(pool);
  const lines = createInterface({ input: process.stdin });
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    lines.once('close', resolve);
  });
  let number = 5;
  lines.on('line', async () => {
    const id = `w${number++}`;
    await db.insert(workspace).values({ id, name: `scratch-${id}`, ownerId: 'ada' });
    await deleteWorkspace(db, { id, reason: 'you pressed Enter' });
    say('application', `deleted ${id} and enqueued smtp + webhook: committed`, 'cyan');
  });
  await interrupted;
  lines.close();
}

try {
  process.exitCode = await demo();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
