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

/** Inserts pending messages to an endpoint, as many as requested, and returns their ids. */
export async function addMessages(pool: Pool, endpointId: string, count = 1): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `INSERT INTO herald.message (id, notification_id, template, template_version, method, ordinal, status, recipient_id, recipient,
       targets, next_attempt_at, created_by, endpoint_id)
     SELECT gen_random_uuid(), gen_random_uuid(), 't', 1, 'webhook', 1, 'pending', 'r', '{"id":"r"}', '{}', now(), 'test', $1
     FROM generate_series(1, $2) RETURNING id`,
    [endpointId, count],
  );
  return rows.map(({ id }) => id);
}
