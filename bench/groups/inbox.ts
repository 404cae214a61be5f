/** What an inbox costs: to write beside an email, and to read when it is large. */
import type { Pool } from 'pg';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { createItems } from '../../src/inbox/items.ts';
import { labels, recipientOf, templateName } from '../backlog.ts';
import { alone, type Contender, compared, interleave, median, quantile, short } from '../measure.ts';
import type { Metric } from '../rows.ts';
import { type Setting, share } from '../setting.ts';
import { shippedTemplate } from '../shipped.ts';
import { inTransaction } from '../in-transaction.ts';
import type { Group } from './group.ts';

export const inboxGroup: Group = {
  rows: ['enqueue.inbox', 'inbox.count', 'inbox.list'],
  async run(setting, wanted) {
    const metrics: Metric[] = [];
    if (wanted.has('enqueue.inbox')) metrics.push(await beside(setting));
    if (wanted.has('inbox.count') || wanted.has('inbox.list')) metrics.push(...(await reading(setting)));
    return metrics.filter(({ name }) => wanted.has(name));
  },
};

/** Milliseconds of one enqueue in a transaction that has done something already. */
async function beside(setting: Setting): Promise<Metric> {
  const { pool } = await setting.database();
  await pool.query('CREATE TABLE business (id bigint)');
  const herald = createHerald();
  let n = 0;
  const contender = (name: string, methods: readonly string[]): Contender => ({
    name,
    async measure(round) {
      const times = Math.ceil((round === 'warm-up' ? 300 : 400) * Math.max(setting.size.share, 0.2));
      const samples: number[] = [];
      for (let i = 0; i < times; i++) {
        n += 1;
        const to = recipientOf(n);
        const notification = { to, labels, methods, dedupeKey: `workspace-deleted:${n}` };
        samples.push(await inTransaction(pool, (client) => herald.enqueue(client, shippedTemplate, notification)));
      }
      return median(samples);
    },
  });
  const contenders = [contender('beside', ['smtp', 'inbox']), contender('alone', ['smtp'])];
  const figures = await interleave(contenders, setting.size.rounds * 4, () => undefined);
  setting.progress(
    contenders.map(({ name }) => `${name} ${short(median(figures.get(name) ?? []) * 1000)} µs`).join(', '),
  );
  return compared('enqueue.inbox', figures, 'beside', 'alone');
}

const heavyReader = { recipientId: 'heavy' };

/** 1,000,000 items of 50,000 readers, 20,000 unread ones of one of them. */
async function reading(setting: Setting): Promise<Metric[]> {
  const { pool } = await setting.database();
  await writeItems(pool, Math.max(share(setting, 1_000_000), 40_000), 20_000);
  const items = createItems({ brand: { appName: 'Acme', baseUrl: 'https://acme.example' } });
  const times = Math.max(share(setting, 1000), 100);
  const p99 = async (work: () => Promise<unknown>) => {
    for (let i = 0; i < 20; i++) await work();
    const samples: number[] = [];
    for (let i = 0; i < times; i++) {
      const startedAt = performance.now();
      await work();
      samples.push(performance.now() - startedAt);
    }
    setting.progress(`p50 ${short(median(samples))} ms, p99 ${short(quantile(samples, 0.99))} ms`);
    return quantile(samples, 0.99);
  };
  const count = await p99(() => items.count(pool, heavyReader));
  let cursor: string | undefined;
  const list = await p99(async () => {
    // Page after page, from the start again after twenty.
    const page = await items.list(pool, { ...heavyReader, status: 'unread', cursor });
    cursor = Math.random() < 0.05 ? undefined : (page.next ?? undefined);
  });
  return [alone('inbox.count', count), alone('inbox.list', list)];
}

async function writeItems(pool: Pool, count: number, unread: number): Promise<void> {
  const id = `('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid`;
  const at = `now() - (1 - i::float8 / $1) * interval '80 days'`;
  // The unread ones of the heavy reader are spread over all the time.
  const reader = `CASE WHEN i % ($1 / $2) = 0 THEN 'heavy' ELSE 'u' || i % 50000 END`;
  await pool.query(
    `INSERT INTO herald.message (id, notification_id, template, template_version, method, ordinal, status, recipient_id,
       recipient, targets, dedupe_slot, priority, next_attempt_at, unknown, created_by, created_at, settled_at)
     SELECT ${id}, ${id}, $3, 1, 'inbox', 1, 'sent', ${reader}, jsonb_build_object('id', ${reader}),
       ARRAY['workspace-' || i / 4], 0, 0, ${at}, 'retry', 'bench', ${at}, ${at}
     FROM generate_series(1, $1::int) i WHERE $2::int > 0`,
    [count, unread, templateName],
  );
  await pool.query(`INSERT INTO herald.notification (id, labels) SELECT id, $1 FROM herald.message`, [
    JSON.stringify(labels),
  ]);
  await pool.query(
    `INSERT INTO herald.inbox (message_id, recipient_id, added_at, seen_at, read_at)
     SELECT id, recipient_id, created_at, CASE WHEN recipient_id <> 'heavy' THEN created_at END,
       CASE WHEN recipient_id <> 'heavy' AND random() < 0.9 THEN created_at END FROM herald.message ORDER BY id`,
  );
  for (const table of ['message', 'notification', 'inbox']) await pool.query(`VACUUM ANALYZE herald.${table}`);
  await pool.query('CHECKPOINT');
}
