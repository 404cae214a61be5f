/** Rows of endpoints, and messages to them. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { sealSettings, type SealedSettings } from '../../../../src/dispatch/webhook/endpoints/stored-endpoint.ts';
import { createSecretBox } from '../../../../src/secrets.ts';

export const box = createSecretBox([Buffer.alloc(32, 3).toString('base64')]);

/** Inserts an endpoint; `columns` by their names in SQL. */
export async function addEndpoint(
  pool: Pool,
  settings: SealedSettings,
  columns: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const id = randomUUID();
  const row = {
    id,
    name: 'Test',
    url_host: '127.0.0.1',
    groups: [],
    sealed: sealSettings(box, id, settings),
    ...columns,
  };
  const names = Object.keys(row);
  await pool.query(
    `INSERT INTO herald.endpoint (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
    Object.values(row),
  );
  return id;
}

/** Inserts pending messages to an endpoint, as many as asked for, and answers with their ids. */
export async function addMessages(pool: Pool, endpointId: string, count = 1): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `INSERT INTO herald.message SELECT (jsonb_populate_record(NULL::herald.message, jsonb_build_object(
       'id', gen_random_uuid(), 'notification_id', gen_random_uuid(), 'template', 't', 'template_version', 1, 'method', 'webhook', 'ordinal', 1,
       'status', 'pending', 'recipient_id', 'r', 'recipient', '{"id":"r"}'::jsonb, 'targets', '[]'::jsonb, 'dedupe_slot', 0,
       'attachments', 0, 'priority', 0, 'next_attempt_at', now(), 'attempts', 0, 'counted', 0, 'crashes', 0, 'unknown', 'retry', 'created_by', 'test',
       'created_at', now(), 'endpoint_id', $1::text))).*
     FROM generate_series(1, $2) RETURNING id`,
    [endpointId, count],
  );
  return rows.map(({ id }) => id);
}
