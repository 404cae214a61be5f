/** The SQL function that puts refused messages back. */
import { expect, test } from 'vitest';
import { greetingFile } from '../../support/application.ts';
import { useDatabase } from '../../support/use-database.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test('gives a message a job again when the worker that had settled it removed the new job with the old one', async () => {
  const { pool } = database;
  const putBack = async () =>
    (await pool.query<{ n: string }>(`SELECT herald.put_back_refused('smtp', 'default', 0) AS n`)).rows[0]?.n;
  const { rows } = await pool.query<{ id: string }>(
    `SELECT message_id AS id FROM herald.enqueue('greeting', '{"id": "1", "email": "a@example.com"}', '{"who": "x"}')`,
  );
  const values = [rows[0]?.id];
  await pool.query(
    `UPDATE herald.message SET status = 'failed', reason = 'sender_refused', attempts = 1, counted = 1, settled_at = now() WHERE id = $1`,
    values,
  );
  await pool.query(
    `INSERT INTO herald.refusal (method, sender, kind, message_id, attempt, put_back_at) VALUES ('smtp', 'default', 'refused', $1, 1, now())`,
    values,
  );
  await pool.query(
    `INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, counted) VALUES ($1, 1, 'w', now(), now(), 'failed', true)`,
    values,
  );
  // The old job is still there, so that there is no new one; then the worker removes it.
  expect(await putBack()).toBe('1');
  await pool.query('DELETE FROM herald_queue.job WHERE id = $1', values);
  expect(await putBack()).toBe('0');
  expect((await pool.query('SELECT FROM herald_queue.job WHERE id = $1', values)).rowCount).toBe(1);
  expect((await pool.query('SELECT status, counted FROM herald.message WHERE id = $1', values)).rows).toEqual([
    { status: 'pending', counted: 0 },
  ]);
});
