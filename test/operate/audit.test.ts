/** Who did it: a name is a claim where operators share a token; the login role of the connection is not. */
import { expect, test } from 'vitest';
import { listAudit, recordAudit } from '../../src/operate/audit.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase();

test('an entry names the login role of its connection, whatever name the operator claims and whatever role is set', async () => {
  const login = `ops_${crypto.randomUUID().slice(0, 8)}`;
  const client = await database.pool.connect();
  try {
    await client.query(`CREATE ROLE ${login}; GRANT USAGE ON SCHEMA herald TO ${login};
      GRANT INSERT ON herald.audit TO ${login}; GRANT EXECUTE ON FUNCTION herald.uuid_v7() TO ${login}`);
    const { rows } = await client.query<{ owner: string }>('SELECT session_user AS owner');
    await client.query(`SET ROLE ${login}`);
    await recordAudit(client, { actor: 'eve', action: 'pause', subject: 'smtp' });
    await client.query(`RESET ROLE; SET SESSION AUTHORIZATION ${login}`);
    await recordAudit(client, { actor: 'ada', action: 'resume', subject: 'smtp' });
    await client.query('RESET SESSION AUTHORIZATION');
    expect(await listAudit(client, { subject: 'smtp' })).toMatchObject([
      { actor: 'ada', action: 'resume', databaseUser: login },
      { actor: 'eve', action: 'pause', databaseUser: rows[0]?.owner },
    ]);
  } finally {
    await client.query(`RESET SESSION AUTHORIZATION; RESET ROLE; DROP OWNED BY ${login}; DROP ROLE ${login}`);
    client.release();
  }
});
