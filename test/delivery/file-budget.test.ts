/** Files in memory are bounded by their bytes, not by the number of messages. */
import { expect, onTestFinished, test } from 'vitest';
import { createFileBudget, maxFileBytes } from '../../src/delivery/file-budget.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const never = new AbortController().signal;

test('what does not fit waits its turn, and what is too large for everything goes alone', async () => {
  const budget = createFileBudget(10);
  const order: string[] = [];
  const take = (name: string, bytes: number, signal = never) =>
    budget.take(bytes, signal).then((release) => {
      order.push(release === null ? `${name} stopped` : name);
      return release;
    });
  const first = await take('first', 6);
  const large = take('large', 25);
  const abort = new AbortController();
  const stopped = take('aborted', 3, abort.signal);
  const last = take('last', 4);
  await take('without files', 0);
  abort.abort();
  expect(await stopped).toBeNull();
  expect(order).toEqual(['first', 'without files', 'aborted stopped']);
  first?.();
  (await large)?.();
  (await last)?.();
  expect(order).toEqual(['first', 'without files', 'aborted stopped', 'large', 'last']);
  expect(await take('late', 1, abort.signal)).toBeNull();
});

test('a worker with many slots holds 40 MB of files at most, and delivers all of them', {
  timeout: 60_000,
}, async () => {
  const content = Buffer.alloc(9_000_000, 7);
  const recipients = 12;
  let held = 0;
  let most = 0;
  const smtp = scriptedDispatcher(
    async ({ attachments }) => {
      const bytes = (attachments ?? []).reduce((sum, file) => sum + file.content.length, 0);
      held += bytes;
      most = Math.max(most, held);
      await new Promise((resolve) => setTimeout(resolve, 200));
      held -= bytes;
      return { outcome: 'sent' };
    },
    { takesAttachments: true, concurrency: 20 },
  );
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: Array.from({ length: recipients }, (_, i) => ({ id: `u${i}`, email: `u${i}@example.com` })),
    labels: { who: 'x' },
    attachments: [{ name: 'a.bin', contentType: 'application/octet-stream', content }],
  });
  await until(() => smtp.deliveries.length === recipients, { timeoutMs: 40_000 });
  expect(most).toBeGreaterThan(content.length);
  expect(most).toBeLessThanOrEqual(maxFileBytes);
});
