/** With row-level security a role sees the rows of one tenant, and everything else works as before. */
import { Pool, type PoolClient } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { transaction } from '../../src/database/pool.ts';
import { applyRowLevelSecurity, rowLevelSecurityScript } from '../../src/database/row-level-security.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { erase } from '../../src/operate/erase.ts';
import { listMessages } from '../../src/operate/messages.ts';
import { readStatus } from '../../src/operate/status.ts';
import { setTenant } from '../../src/operate/tenants.ts';
import { greeting, greetingFile, keepingLogger, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const pools: Pool[] = [];
const urlAs = (role: string): string => {
  const url = new URL(database.url);
  url.searchParams.set('options', `-c role=${role}`);
  return url.href;
};
function poolAs(role: string): Pool {
  const pool = new Pool({ connectionString: urlAs(role), max: 2 });
  pools.push(pool);
  return pool;
}

/** As a server that sets the tenant of each request would ask. */
function asTenant<T>(tenant: string | null, ask: (client: PoolClient) => Promise<T>): Promise<T> {
  return transaction(reader, async (client) => {
    if (tenant !== null) await client.query(`SELECT set_config('herald.tenant', $1, true)`, [tenant]);
    return ask(client);
  });
}

let reader: Pool;

beforeAll(async () => {
  await applyRowLevelSecurity(database.url);
  await applyRowLevelSecurity(database.url);
  reader = poolAs('herald_tenant');
  await enqueueAll();
  await deliverAll();
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
});

/** By the role of the application, which names the tenant. */
async function enqueueAll(): Promise<void> {
  const app = poolAs('herald_enqueuer');
  const herald = createHerald();
  for (const tenant of ['red', 'blue', undefined]) {
    const id = tenant ?? 'nobody';
    await setTenant(database.pool, id, { brand: { appName: id } });
    const windows = [{ from: '00:00', to: '24:00' }];
    await herald.setQuietHours(app, { tenant: id, windows });
    await herald.setQuietHours(app, { recipientId: id, windows });
    await herald.enqueue(app, greeting, {
      autocommit: true,
      to: { id, email: `${id}@example.com` },
      labels: { who: id },
      methods: ['smtp', 'inbox'],
      targets: [id],
      attachments: [{ name: `${id}.txt`, contentType: 'text/plain', content: Buffer.from(id) }],
      ...(tenant !== undefined && { tenant }),
    });
    await herald.setPreference(app, { recipientId: id, group: 'Greetings', enabled: true });
    await database.pool.query(
      `INSERT INTO herald.endpoint (name, tenant, groups, url_host, sealed) VALUES ($1, $2, '{}', 'h', 's')`,
      [id, tenant ?? null],
    );
  }
}

async function deliverAll(): Promise<void> {
  const logger = keepingLogger();
  const smtp = scriptedDispatcher(() => ({ outcome: 'sent' }), { takesAttachments: true });
  const worker = testWorker(urlAs('herald_worker'), { dispatchers: { smtp }, logger });
  await worker.start();
  try {
    await until(
      async () =>
        (await database.pool.query(`SELECT FROM herald.message WHERE status = 'sent' AND method = 'smtp'`)).rowCount ===
        3,
      { timeoutMs: 20_000 },
    );
  } finally {
    await worker.stop();
  }
  expect(logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  expect(smtp.deliveries.map(({ brand }) => brand.appName).sort()).toEqual(['Acme', 'blue', 'red']);
}

/** Table, and a column that says whose a row is. */
const owned = [
  ['tenant', 'id'],
  ['message', 'recipient_id'],
  ['notification', `labels ->> 'who'`],
  ['attempt', '(SELECT m.recipient_id FROM herald.message m WHERE m.id = message_id)'],
  ['inbox', 'recipient_id'],
  ['attachment', `split_part(name, '.', 1)`],
  ['endpoint', 'name'],
  ['preference', 'recipient_id'],
  [`hours WHERE scope = 'tenant'`, 'subject'],
  [`hours WHERE scope = 'recipient'`, 'subject'],
] as const;

describe('the role of a tenant', () => {
  test.each(owned)('sees its own rows of %s only', async (table, owner) => {
    const ask = (client: PoolClient) => client.query(`SELECT DISTINCT ${owner} AS owner FROM herald.${table}`);
    const owners = async (tenant: string | null) => (await asTenant(tenant, ask)).rows.map((row) => row.owner);
    // All of them are there for the owner of the tables.
    const { rows } = await database.pool.query(`SELECT DISTINCT ${owner} AS owner FROM herald.${table} ORDER BY 1`);
    expect(rows.map((row) => row.owner)).toEqual(['blue', 'nobody', 'red']);
    expect(await owners('red')).toEqual(['red']);
    expect(await owners('blue')).toEqual(['blue']);
    for (const none of [null, '', 'green', 'red%', "red' OR true --"]) expect(await owners(none)).toEqual([]);
  });

  test('sees nothing on a connection that served another tenant before', async () => {
    const client = await reader.connect();
    try {
      await client.query(`BEGIN; SET LOCAL herald.tenant = 'red'; SELECT FROM herald.message; COMMIT`);
      expect((await client.query('SELECT id FROM herald.message')).rows).toEqual([]);
    } finally {
      client.release();
    }
  });

  test.each([
    ['secret labels', 'SELECT secrets FROM herald.message'],
    ['settings of endpoints', 'SELECT sealed FROM herald.endpoint'],
    ['files', 'SELECT content FROM herald.attachment'],
    ['suppressed addresses', 'SELECT address FROM herald.suppression'],
    ['what operators did', 'SELECT id FROM herald.audit'],
    ['texts of templates', 'SELECT body FROM herald.template_version'],
    ['jobs', 'SELECT id FROM herald_queue.job'],
    ['a change', `UPDATE herald.message SET status = 'cancelled'`],
    ['a deletion', 'DELETE FROM herald.preference'],
    ['an enqueue', `SELECT herald.enqueue('{}'::jsonb)`],
    ['a repeated attempt', `SELECT herald.retry('{}')`],
  ])('cannot reach %s', async (_, statement) => {
    await expect(asTenant('red', (client) => client.query(statement))).rejects.toMatchObject({ code: '42501' });
  });

  test('reads a page of messages by an index, whoever else has messages', async () => {
    await database.pool.query('ANALYZE herald.message');
    const { rows } = await asTenant('red', async (client) => {
      await client.query('SET LOCAL enable_seqscan = off');
      return client.query('EXPLAIN SELECT id FROM herald.message ORDER BY created_at DESC, id DESC LIMIT 50');
    });
    expect(JSON.stringify(rows)).toContain('message_tenants');
  });
});

describe('with the policies', () => {
  test('other roles see what they saw, and a role without any sees nothing', async () => {
    expect(await listMessages(poolAs('herald_operator'), {}, { limit: 10 })).toHaveLength(6);
    expect((await readStatus(poolAs('herald_reader'))).methods.length).toBeGreaterThan(0);
    const stranger = `stranger_${database.name}`;
    await database.pool.query(
      `CREATE ROLE ${stranger} NOLOGIN; GRANT USAGE ON SCHEMA herald TO ${stranger}; GRANT SELECT ON herald.message TO ${stranger}`,
    );
    try {
      const { rows } = await poolAs(stranger).query('SELECT id FROM herald.message');
      expect(rows).toEqual([]);
    } finally {
      await database.pool.query(`DROP OWNED BY ${stranger}; DROP ROLE ${stranger}`);
    }
  });

  test('readers mark and count their items as before', async () => {
    const inbox = poolAs('herald_inbox');
    const unread = async (id: string) =>
      (await inbox.query(`SELECT unread::int FROM herald.inbox_count($1, $1)`, [id])).rows[0]?.unread;
    expect(await unread('red')).toBe(1);
    await inbox.query(`SELECT herald.mark('red', 'read', target => 'red', tenant => 'red')`);
    expect([await unread('red'), await unread('blue')]).toEqual([0, 1]);
  });

  test('functions run as before: what an application cancels, and whom the owner erases', async () => {
    const app = poolAs('herald_enqueuer');
    const herald = createHerald();
    const to = { id: 'green', email: 'green@example.com' };
    const options = { to, labels: { who: 'Green' }, tenant: 'green', delaySeconds: 3600 };
    const [message] = await herald.enqueue(app, greeting, { autocommit: true, ...options });
    const id = message?.id ?? '';
    expect(await transaction(app, (tx) => herald.cancel(tx, { ids: [id] }))).toMatchObject([{ answer: 'cancelled' }]);
    expect(await erase(database.pool, { recipientId: 'green' })).toMatchObject({ erased: 1 });
  });

  test('migrate gives them to a table that has none yet, and writes those that did not change only once', async () => {
    const policies = async () =>
      (await database.pool.query('SELECT oid::int, polname, polrelid::regclass::text AS t FROM pg_policy ORDER BY oid'))
        .rows;
    const before = await policies();
    await migrate(database.url);
    expect(await policies()).toEqual(before);
    await database.pool.query(`DROP POLICY herald_tenant ON herald.attempt`);
    await migrate(database.url);
    expect((await policies()).map(({ polname, t }) => `${polname} ${t}`).sort()).toEqual(
      before.map(({ polname, t }) => `${polname} ${t}`).sort(),
    );
  });

  test('the printed script does the same', async () => {
    await database.pool.query(rowLevelSecurityScript());
  });

  test('every table that the role may read has its policy', async () => {
    const { rows } = await database.pool.query(
      `SELECT DISTINCT c.table_name FROM information_schema.column_privileges c
       WHERE c.grantee = 'herald_tenant' AND c.table_schema = 'herald' AND NOT EXISTS (
         SELECT FROM pg_policy p WHERE p.polrelid = format('herald.%I', c.table_name)::regclass AND p.polname = 'herald_tenant')`,
    );
    expect(rows).toEqual([{ table_name: 'template' }]);
  });
});
