/** One call to 100,000 people: each gets links of their own, and enqueue neither stores nor computes any of them. */
import { expect, onTestFinished, test } from 'vitest';
import { createRecipientPages } from '../../src/recipients/index.ts';
import { brand, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';
import { links, templates } from '../recipients/support.ts';

const people = 100_000;
const database = useDatabase({ templates });

test('a fan-out to 100,000 people gives each a link of their own', async () => {
  const to = Array.from({ length: people }, (_, n) => ({ id: `user-${n}`, email: `user-${n}@example.com` }));
  await database.pool.query(`SELECT count(*) FROM herald.enqueue($1)`, [JSON.stringify({ template: 'digest', to })]);
  const { rows } = await database.pool.query(
    'SELECT count(*)::int AS messages, count(unsubscribe_url)::int AS urls FROM herald.message',
  );
  expect(rows).toEqual([{ messages: people, urls: 0 }]);

  const urls = new Map<string, string>();
  const worker = testWorker(database.url, {
    links,
    dispatchers: {
      smtp: {
        concurrency: 200,
        timeoutSeconds: 60,
        retryDelaysSeconds: [1],
        async dispatch({ unsubscribeUrl, recipient }) {
          urls.set(unsubscribeUrl ?? '', recipient.id);
          return { outcome: 'sent' };
        },
      },
    },
  });
  onTestFinished(() => worker.stop());
  await worker.start();
  await until(() => urls.size === people, { timeoutMs: 280_000 });

  const pages = createRecipientPages({ pool: database.pool, links, brand });
  const some = [...urls].filter((_, index) => index % 1000 === 7);
  for (const [url] of some) expect((await pages.fetch(new Request(url, { method: 'POST' }))).status).toBe(200);
  const { rows: off } = await database.pool.query<{ id: string }>('SELECT recipient_id AS id FROM herald.preference');
  expect(off.map(({ id }) => id).sort()).toEqual(some.map(([, id]) => id).sort());
});
