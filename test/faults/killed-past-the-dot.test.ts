/** A worker that is killed again and again while a relay checks what it has received: three copies at most, slowly. */
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { programs } from '../support/processes.ts';
import { startSmtpServer, type Verdict } from '../support/smtp-server.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const start = programs(afterEach);

interface Story {
  readonly status: string;
  readonly reason: string | null;
  /** Until it is due. */
  readonly seconds: number;
}

const story = async () =>
  (
    await database.pool.query<Story>(
      `SELECT status, reason, extract(epoch FROM next_attempt_at - now())::float8 AS seconds FROM herald.message`,
    )
  ).rows[0];
const lost = async () => (await database.pool.query('SELECT FROM herald.attempt')).rowCount;
const hurry = () =>
  database.pool.query(
    `UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending';
     SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))`,
  );

test('killed six times past the dot: three copies at most, none within five minutes', {
  timeout: 280_000,
}, async () => {
  let copies = 0;
  const relay = await startSmtpServer({
    onMessage: (): Promise<Verdict> => {
      copies += 1;
      return new Promise(() => undefined);
    },
  });
  onTestFinished(() => relay.close());
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'u', email: 'u@example.com' },
    labels: { who: 'x' },
  });
  for (let kill = 0; kill < 6 && (await story())?.status !== 'failed'; kill += 1) {
    const before = copies;
    const program = start(new URL('../delivery/worker-program.ts', import.meta.url), {
      env: { HERALD_TEST_WORKER: JSON.stringify({ url: database.url, smtpPort: relay.port }) },
    });
    await program.line(/ready/, { timeoutMs: 60_000 });
    // The one that takes over records the loss first, and the message waits.
    if (kill > 0) {
      await until(async () => (await lost()) === before, { timeoutMs: 60_000, intervalMs: 200 });
      expect(copies).toBe(before);
      const { status, seconds = 0 } = (await story()) ?? {};
      if (status !== 'failed') expect(seconds).toBeGreaterThan(280);
      await hurry();
    }
    await until(async () => copies > before || (await story())?.status === 'failed', { timeoutMs: 30_000 });
    await program.kill('SIGKILL');
  }
  expect(copies).toBe(3);
  expect(await story()).toMatchObject({ status: 'failed', reason: 'worker_lost' });
  const { rows } = await database.pool.query('SELECT DISTINCT outcome FROM herald.attempt');
  expect(rows).toEqual([{ outcome: 'unknown' }]);
});
