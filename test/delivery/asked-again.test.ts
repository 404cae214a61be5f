/** What may have changed since a message was enqueued is asked in every attempt. */
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, putTemplates, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();

beforeEach(() =>
  database.pool.query(
    'TRUNCATE herald.message, herald.attempt, herald.preference, herald.suppression; DELETE FROM herald_queue.job',
  ),
);

const enqueue = () =>
  herald.enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'ada', email: 'Ada@Example.com' },
    labels: { who: 'Ada' },
  });

async function deliver(status: string, retries: number) {
  let left = retries;
  const smtp = scriptedDispatcher(async () => {
    if (left-- <= 0) return { outcome: 'sent' };
    await change();
    return { outcome: 'retry', reason: 'deferred', detail: '' };
  });
  let change: () => Promise<unknown> = async () => undefined;
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  return {
    onRetry: (work: () => Promise<unknown>) => (change = work),
    async run() {
      await worker.start();
      await until(
        async () => (await database.pool.query('SELECT FROM herald.message WHERE status = $1', [status])).rowCount,
      );
      await worker.stop();
      const { rows } = await database.pool.query<{ status: string; reason: string | null }>(
        'SELECT status, reason FROM herald.message',
      );
      return { ...rows[0], deliveries: smtp.deliveries.length };
    },
  };
}

const optOut = () => database.pool.query(`SELECT herald.set_preference('ada', 'template', 'greeting', false)`);
const suppress = () =>
  database.pool.query(
    `INSERT INTO herald.suppression (method, address, reason, suppressed_at) VALUES ('smtp', 'ada@example.com', 'no_such_recipient', now())`,
  );

test.each([
  ['an opt-out', optOut, 'preference'],
  ['a suppressed address', suppress, 'suppressed'],
])('%s after enqueue, before the first attempt, inhibits the message', async (_, change, reason) => {
  await enqueue();
  await change();
  expect(await (await deliver('inhibited', 0)).run()).toEqual({ status: 'inhibited', reason, deliveries: 0 });
});

test('an opt-in that is taken back inhibits the message of a template that is off by default', async () => {
  const prefer = (enabled: boolean | null) =>
    database.pool.query(`SELECT herald.set_preference('ada', 'template', 'greeting', $1)`, [enabled]);
  await putTemplates(database.pool, { greeting: greetingFile.replace('group:', 'enabledByDefault: false\ngroup:') });
  onTestFinished(() => putTemplates(database.pool, { greeting: greetingFile }));
  await prefer(true);
  await enqueue();
  await prefer(null);
  const reason = 'default_off';
  expect(await (await deliver('inhibited', 0)).run()).toEqual({ status: 'inhibited', reason, deliveries: 0 });
});

test.each([
  ['an opt-out', optOut, 'preference'],
  ['a suppressed address', suppress, 'suppressed'],
])('%s between two attempts inhibits the message', async (_, change, reason) => {
  await enqueue();
  const delivery = await deliver('inhibited', 1);
  delivery.onRetry(change);
  expect(await delivery.run()).toEqual({ status: 'inhibited', reason, deliveries: 1 });
});
