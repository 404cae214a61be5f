/** A database that has been in use for long: settled messages, as deliveries leave them. */
import type { Pool } from 'pg';
import { labels, templateName } from './backlog.ts';

/**
 * Writes settled messages and their attempts, spread over the 90 days before yesterday: 97 % sent, the rest failed or
 * inhibited. For a database without messages.
 */
export async function writeHistory(pool: Pool, count: number): Promise<void> {
  // Building an index from sorted rows takes a fraction of adding to it row by row.
  const indexes = await pool.query<{ name: string; definition: string }>(
    `SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE schemaname = 'herald' AND tablename = 'message' AND indexname <> 'message_pkey'`,
  );
  for (const { name } of indexes.rows) await pool.query(`DROP INDEX herald.${name}`);
  await pool.query(
    `INSERT INTO herald.message (id, notification_id, template, template_version, method, ordinal, status, reason, recipient_id, address, recipient,
       targets, dedupe_key, dedupe_slot, priority, next_attempt_at, attempts, counted, unknown, created_by, created_at, settled_at, dedupe_scope)
     SELECT id, id, $2, 1, CASE i % 10 WHEN 0 THEN 'webhook' WHEN 1 THEN 'smtp' ELSE 'noop' END, 1,
       CASE WHEN i % 100 < 97 THEN 'sent' WHEN i % 100 < 99 THEN 'failed' ELSE 'inhibited' END,
       CASE WHEN i % 100 < 97 THEN NULL WHEN i % 100 < 99 THEN 'mailbox_full' ELSE 'preference' END,
       'u' || i % 100000, 'user' || i % 100000 || '@example.com',
       jsonb_build_object('id', 'u' || i % 100000, 'email', 'user' || i % 100000 || '@example.com', 'name', 'Customer Number ' || i % 100000),
       ARRAY['workspace-' || i / 4], CASE WHEN i % 5 = 0 THEN 'old:' || i END, 0, 0, at, 1, 1, 'retry', 'bench', at, at + interval '2 seconds',
       CASE WHEN i % 5 = 0 THEN 'noop' END
     FROM (SELECT i, ('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid AS id, now() - interval '1 day' - (1 - i::float8 / $1) * interval '90 days' AS at FROM generate_series(1, $1::int) i) s`,
    [count, templateName],
  );
  await pool.query('INSERT INTO herald.notification (id, labels) SELECT id, $1 FROM herald.message', [
    JSON.stringify(labels),
  ]);
  await pool.query(
    `INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, counted)
     SELECT id, 1, 'host:1:abcdef', created_at + interval '1 second', settled_at, CASE status WHEN 'sent' THEN 'sent' ELSE 'failed' END, reason, true
     FROM herald.message WHERE status IN ('sent', 'failed')`,
  );
  for (const { definition } of indexes.rows) await pool.query(definition);
  await pool.query('VACUUM ANALYZE herald.message');
  await pool.query('VACUUM ANALYZE herald.attempt');
  await pool.query('CHECKPOINT');
}
