/** What a worker does while its database is away, or silent, through a proxy that counts. */
import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { createWorker, type Worker } from '../../src/delivery/worker.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { type Proxy, startProxy } from '../chaos/proxy.ts';
import { randomFrom } from '../chaos/random.ts';
import {
  brand,
  greeting,
  greetingFile,
  keepingLogger,
  putTemplates,
  scriptedDispatcher,
} from '../support/application.ts';
import { createDatabase } from '../support/postgres/databases.ts';
import { type PostgresServer, startPostgres } from '../support/postgres/server.ts';
import { until } from '../support/wait.ts';

let server: PostgresServer;
let pool: Pool;
let proxy: Proxy;
let worker: Worker;
let logger: ReturnType<typeof keepingLogger>;
let smtp: ReturnType<typeof scriptedDispatcher>;
const herald = createHerald();

beforeAll(async () => {
  server = await startPostgres();
  const url = await createDatabase(server.url, { name: 'away' });
  await migrate(url);
  pool = new Pool({ connectionString: url });
  pool.on('error', () => undefined);
  await putTemplates(pool, { greeting: greetingFile });
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});
beforeEach(async () => {
  proxy = await startProxy(server.port);
  logger = keepingLogger();
  smtp = scriptedDispatcher();
  // With the intervals of production.
  worker = createWorker({
    connectionString: `postgres://postgres@127.0.0.1:${proxy.port}/away`,
    brand,
    dispatchers: { smtp },
    logger,
  });
  await worker.start();
  await enqueue(pool);
  await until(() => smtp.deliveries.length === 1);
});
afterEach(async () => {
  await worker.stop();
  await proxy.close();
});

const enqueue = (on: Pool) =>
  herald.enqueue(on, greeting, { autocommit: true, to: { id: 'u', email: 'u@example.com' }, labels: { who: 'x' } });
const told = () =>
  logger.lines.filter((line) => /^(the database|database)/.test(line.message)).map((line) => line.message);
const away = 'the database is away; delivery resumes automatically when it is back';

/** Milliseconds until one more message has gone out. */
async function resumption(on: Pool): Promise<number> {
  const before = smtp.deliveries.length;
  const startedAt = performance.now();
  await enqueue(on);
  await until(() => smtp.deliveries.length > before, { timeoutMs: 60_000 });
  return performance.now() - startedAt;
}

test('while it is away, the worker tries four times a second at most, and logs two lines', async () => {
  const seconds = 30;
  const before = proxy.attempts().all;
  proxy.away(true);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  expect((proxy.attempts().all - before) / seconds).toBeLessThan(4);
  proxy.away(false);
  expect(await resumption(pool)).toBeLessThan(10_000);
  await until(() => told().includes('the database is back'));
  expect(told()).toEqual([away, 'the database is back']);
  expect(logger.lines.filter((line) => line.level === 'error')).toHaveLength(1);
});

test('when its connections go silent, the worker gives them up and continues', async () => {
  proxy.halfOpen(1, randomFrom(1), 1000);
  // 15 s until a statement is given up, 5 s until the next look.
  expect(await resumption(pool)).toBeLessThan(30_000);
  expect(logger.lines.filter((line) => line.level === 'error').length).toBeLessThan(5);
});
