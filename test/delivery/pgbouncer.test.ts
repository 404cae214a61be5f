/** Everything through PgBouncer in transaction mode: enqueue, delivery, and what is said about wake-ups that do not arrive. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { hasProgram } from '../cli/support.ts';
import { greeting, greetingFile, keepingLogger, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { serverAccount } from '../../src/development/postgres/binaries.ts';
import { until } from '../support/wait.ts';

const installed = hasProgram('pgbouncer');
const database = useDatabase({ templates: { greeting: greetingFile } });
let bouncer: ChildProcess | null = null;
let folder: string;
let url: string;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

beforeAll(async () => {
  if (!installed) return;
  const at = new URL(database.url);
  const port = await freePort();
  folder = mkdtempSync(join(tmpdir(), 'herald-pgbouncer-'));
  chmodSync(folder, 0o755);
  const file = join(folder, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]
${database.name} = host=${at.hostname} port=${at.port} user=${decodeURIComponent(at.username)}${at.password ? ` password=${decodeURIComponent(at.password)}` : ''}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
`,
  );
  const account = await serverAccount();
  if (account) chownSync(file, account.uid, account.gid);
  bouncer = spawn('pgbouncer', [file], { stdio: 'ignore', ...(account && { uid: account.uid, gid: account.gid }) });
  url = `postgres://${at.username}@127.0.0.1:${port}/${database.name}`;
  await until(async () => {
    const pool = new Pool({ connectionString: url });
    return pool.query('SELECT 1').finally(() => pool.end());
  });
});
afterAll(async () => {
  if (bouncer?.kill('SIGTERM')) await once(bouncer, 'exit');
  if (!installed) return;
  rmSync(folder, { recursive: true });
});

test.skipIf(!installed)(
  `behind PgBouncer in transaction mode everything is delivered by looking at intervals, which is said once${installed ? '' : ' (skipped: no pgbouncer here)'}`,
  async () => {
    const pool = new Pool({ connectionString: url });
    const herald = createHerald();
    const logger = keepingLogger();
    const smtp = scriptedDispatcher();
    const worker = testWorker(url, { dispatchers: { smtp }, prepareStatements: false, logger });
    await worker.start();
    for (let i = 0; i < 50; i++) {
      const client = await pool.connect();
      await client.query('BEGIN');
      await herald.enqueue(client, greeting, {
        to: { id: `u${i}`, email: `u${i}@example.com` },
        labels: { who: 'x' },
      });
      await client.query(i % 5 === 4 ? 'ROLLBACK' : 'COMMIT');
      client.release();
    }
    await until(async () => (await pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount === 40);
    await until(() => logger.lines.some((line) => line.message.startsWith('notifications do not arrive')));
    await worker.stop();
    await pool.end();
    expect(smtp.deliveries).toHaveLength(40);
    expect(logger.lines.filter((line) => line.level === 'error')).toEqual([]);
    expect(logger.lines.filter((line) => line.message.startsWith('notifications'))).toHaveLength(1);
  },
);

test.skipIf(!installed)(
  `a worker recognises the pooler, delivers, and leaves no setting in the application's sessions${installed ? '' : ' (skipped: no pgbouncer here)'}`,
  async () => {
    const logger = keepingLogger();
    const smtp = scriptedDispatcher();
    const worker = testWorker(url, { dispatchers: { smtp }, logger });
    await worker.start();
    const application = new Pool({ connectionString: url });
    await createHerald().enqueue(application, greeting, {
      autocommit: true,
      to: Array.from({ length: 20 }, (_, i) => ({ id: `p${i}`, email: `p${i}@example.com` })),
      labels: { who: 'x' },
    });
    await until(() => smtp.deliveries.length === 20);
    // More often than the pooler has backends.
    for (let i = 0; i < 20; i++) {
      const { rows } = await application.query<Record<string, string>>(
        `SELECT name, setting FROM pg_settings WHERE setting <> reset_val
           AND name IN ('enable_seqscan', 'jit', 'synchronous_commit', 'statement_timeout', 'lock_timeout', 'DateStyle')`,
      );
      expect(rows).toEqual([]);
    }
    await worker.stop();
    await application.end();
    expect(logger.lines.filter((line) => line.level === 'error')).toEqual([]);
    expect(logger.lines.filter((line) => line.message.startsWith('a pooler is in between'))).toHaveLength(1);
  },
);
