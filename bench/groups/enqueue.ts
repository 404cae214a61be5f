/** What an enqueue costs its transaction. */
import type { PoolClient } from 'pg';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { shippedTemplate } from '../shipped.ts';
import { labels, recipientOf, recipientsSql, templateName } from '../backlog.ts';
import { type Contender, compared, interleave, median, short } from '../measure.ts';
import type { Metric } from '../rows.ts';
import type { Setting } from '../setting.ts';
import { inTransaction } from '../in-transaction.ts';
import type { Group } from './group.ts';

export const enqueueGroup: Group = {
  rows: ['enqueue.one', 'enqueue.bulk'],
  async run(setting, wanted) {
    const metrics: Metric[] = [];
    if (wanted.has('enqueue.one')) metrics.push(await one(setting));
    if (wanted.has('enqueue.bulk')) metrics.push(await bulk(setting));
    return metrics;
  },
};

/** The rows and columns that enqueue writes, with the values that it would write. */
const columns = `id, notification_id, template, template_version, method, ordinal, status, recipient_id, address, recipient, targets,
  dedupe_key, dedupe_slot, priority, next_attempt_at, unknown, created_by, created_at, dedupe_scope`;

const insertOne = `WITH content AS (INSERT INTO herald.notification (id, labels) VALUES ($2, $7))
  INSERT INTO herald.message (${columns})
  VALUES ($1, $2, $3, 1, 'smtp', 1, 'pending', $4, $5, $6, '{}', $8, 0, 0, now(), 'retry', 'bench', now(), 'smtp')`;

async function one(setting: Setting): Promise<Metric> {
  const { pool } = await setting.database();
  // A preference in force for every tenth recipient: it wants the email.
  await pool.query(`INSERT INTO herald.preference (recipient_id, scope, subject, enabled)
    SELECT 'u' || i, 'template', '${templateName}', true FROM generate_series(1, 100000, 10) i; CREATE TABLE business (id bigint)`);
  await pool.query('VACUUM ANALYZE herald.preference');
  const herald = createHerald();
  let n = 0;
  const timed = (statement: (client: PoolClient, n: number) => Promise<unknown>) => async (times: number) => {
    const samples: number[] = [];
    for (let i = 0; i < times; i++) samples.push(await inTransaction(pool, (client) => statement(client, ++n)));
    return median(samples);
  };
  const ours = timed((client, i) =>
    herald.enqueue(client, shippedTemplate, { to: recipientOf(i), labels, dedupeKey: `workspace-deleted:${i}` }),
  );
  const bare = timed((client, i) => client.query(insertOne, bareValues(i)));
  const times = (round: string) => Math.ceil((round === 'warm-up' ? 300 : 400) * Math.max(setting.size.share, 0.2));
  const contenders: Contender[] = [
    { name: 'ours', measure: (round) => ours(times(round)) },
    { name: 'bare insert', measure: (round) => bare(times(round)) },
  ];
  // Short rounds and many: a median of medians forgets what else the machine did.
  const figures = await interleave(contenders, setting.size.rounds * 4, () => undefined);
  setting.progress(
    contenders.map(({ name }) => `${name} ${short(median(figures.get(name) ?? []) * 1000)} µs`).join(', '),
  );
  return compared('enqueue.one', figures, 'ours', 'bare insert');
}

function bareValues(n: number): unknown[] {
  const id = crypto.randomUUID();
  const recipient = recipientOf(n);
  return [
    id,
    id,
    templateName,
    recipient.id,
    recipient.email,
    JSON.stringify(recipient),
    JSON.stringify(labels),
    `key:${n}`,
  ];
}

const insertMany = `WITH content AS (INSERT INTO herald.notification (id, labels) VALUES ($3::uuid, $5::jsonb))
  INSERT INTO herald.message (${columns})
  SELECT herald.uuid_v7(), $3::uuid, $4, 1, 'smtp', 1, 'pending', r ->> 'id', r ->> 'email', r, '{}',
    $6, 0, 0, now(), 'retry', 'bench', now(), 'smtp'
  FROM jsonb_array_elements(${recipientsSql}) r`;

const enqueueBulk = `SELECT count(*) FROM herald.enqueue(jsonb_build_object('template', $3::text, 'to', ${recipientsSql}, 'labels', $4::jsonb, 'dedupeKey', $5::text))`;

/** Rows per second of one statement of 10,000, commit included. Both make their recipients in the same way. */
async function bulk(setting: Setting): Promise<Metric> {
  const { pool } = await setting.database();
  const count = 10_000;
  let call = 0;
  const rate = async (work: () => Promise<unknown>) => {
    // What the call before left to write is not this one's.
    await pool.query('CHECKPOINT');
    const startedAt = performance.now();
    await work();
    return count / ((performance.now() - startedAt) / 1000);
  };
  const text = JSON.stringify(labels);
  const contenders: Contender[] = [
    {
      name: 'ours',
      measure: () => rate(() => pool.query(enqueueBulk, [1, count, templateName, text, `bulk:${++call}`])),
    },
    {
      name: 'raw',
      measure: () =>
        rate(() => pool.query(insertMany, [1, count, crypto.randomUUID(), templateName, text, `raw:${++call}`])),
    },
  ];
  const figures = await interleave(contenders, setting.size.rounds * 2, () => undefined);
  setting.progress(contenders.map(({ name }) => `${name} ${short(median(figures.get(name) ?? []))} rows/s`).join(', '));
  return compared('enqueue.bulk', figures, 'ours', 'raw');
}
