/** What docs/reliability.md says about two-phase commit, on a server that allows it. */
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { createDatabase } from '../support/postgres/databases.ts';
import { type PostgresServer, startPostgres, throwawaySettings } from '../support/postgres/server.ts';

let server: PostgresServer;
let pool: Pool;
beforeAll(async () => {
  server = await startPostgres({ settings: { ...throwawaySettings, max_prepared_transactions: '2' } });
  const connectionString = await createDatabase(server.url, { name: 'two_phase' });
  await migrate(connectionString);
  pool = new Pool({ connectionString, max: 1 });
  await putTemplates(pool, { greeting: greetingFile });
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});

const enqueueAndPrepare = async (id: string) => {
  await pool.query('BEGIN');
  await pool.query(`SELECT herald.enqueue('greeting', $1::jsonb, labels => '{"who": "you"}')`, [
    JSON.stringify({ id, email: `${id}@example.com` }),
  ]);
  await pool.query(`PREPARE TRANSACTION '${id}'`);
};

test('a transaction that enqueued cannot be prepared, unless NOTIFY is off for the method', async () => {
  await expect(enqueueAndPrepare('ada')).rejects.toMatchObject({ code: '0A000' });
  await pool.query('ROLLBACK');
  await pool.query(`UPDATE herald.method SET notify = false WHERE name = 'smtp'`);
  await enqueueAndPrepare('grace');
  await pool.query(`COMMIT PREPARED 'grace'`);
  const { rows } = await pool.query('SELECT recipient_id AS id, status FROM herald.message');
  expect(rows).toEqual([{ id: 'grace', status: 'pending' }]);
});
