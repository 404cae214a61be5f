/** A worker process that is stopped for longer than its lease, and continues. */
import { afterEach, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { type Program, programs } from '../support/processes.ts';
import { skipUnknownWaits } from '../support/unknown-waits.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const start = programs(afterEach);

async function startWorker(name: string): Promise<Program> {
  const program = start(new URL('../delivery/worker-program.ts', import.meta.url), {
    env: { HERALD_TEST_WORKER: JSON.stringify({ url: database.url, poisonable: true, name }) },
  });
  await program.line(/ready/, { timeoutMs: 30_000 });
  return program;
}

const attempts = async () =>
  (await database.pool.query('SELECT number, outcome, reason, counted, detail FROM herald.attempt ORDER BY number'))
    .rows;
const message = async () =>
  (await database.pool.query('SELECT status, attempts, settled_at FROM herald.message')).rows[0];

test('overwrites nothing when it wakes up; its late success is known then', async () => {
  const sleeper = await startWorker('sleeper');
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'u', email: 'u@example.com' },
    labels: { who: 'takes 4 s' },
  });
  await until(async () => (await message()).status === 'sending');
  process.kill(sleeper.pid, 'SIGSTOP');
  const heir = await startWorker('heir');
  const stoppedAt = performance.now();
  await until(async () => (await attempts()).length === 1, { timeoutMs: 60_000, intervalMs: 50 });
  // The bound of ARCHITECTURE.md, plus the time of a busy machine.
  expect(performance.now() - stoppedAt).toBeLessThan(30_000);
  expect(await attempts()).toMatchObject([{ number: 1, outcome: 'unknown', reason: 'worker_lost', counted: false }]);
  await until(
    async () => {
      await skipUnknownWaits(database.pool);
      return (await message()).status === 'sent';
    },
    { timeoutMs: 30_000 },
  );
  const settled = await message();
  process.kill(sleeper.pid, 'SIGCONT');
  await until(async () => (await attempts())[0]?.outcome === 'sent', { timeoutMs: 30_000 });
  expect(await attempts()).toMatchObject([
    { number: 1, outcome: 'sent', detail: expect.stringContaining('recorded late') },
    { number: 2, outcome: 'sent' },
  ]);
  expect(await message()).toEqual(settled);
  await Promise.all([sleeper.kill('SIGTERM'), heir.kill('SIGTERM')]);
});
