/** Enqueue in the caller's transaction, whatever the driver: committed means a message and its job, rolled back means neither. */
import { PGlite } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { drizzle as drizzleNodePg } from 'drizzle-orm/node-postgres';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js';
import { Client } from 'pg';
import { fromDrizzle, fromKnex, fromKysely, fromPrisma } from 'pg-boss';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AdapterTransaction, Transaction } from '../../src/database/caller-transaction.ts';
import { installScript } from '../../src/database/migrate.ts';
import { createHerald, type EnqueuedMessage } from '../../src/enqueue/enqueue.ts';
import { InvalidNotificationError } from '../../src/errors.ts';
import { writtenMessages } from '../../src/testing/index.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const herald = createHerald();
const database = useDatabase({ templates: { greeting: greetingFile } });

type Query = (text: string) => Promise<unknown[]>;

/** Runs work in a transaction of the driver, and commits it or rolls it back. */
interface Driver {
  readonly name: string;
  open(): Promise<{
    inTransaction(work: (tx: Transaction) => Promise<unknown>, end: 'commit' | 'roll back'): Promise<void>;
    query: Query;
    /** What `enqueueFrom` takes as a query. */
    recipients: Parameters<typeof herald.enqueueFrom>[2]['recipients'];
    close(): Promise<unknown>;
  }>;
}

class RollBack extends Error {}

/** For drivers whose transactions end with a callback. */
async function withCallback(
  transaction: (work: (tx: Transaction) => Promise<void>) => Promise<unknown>,
  work: (tx: Transaction) => Promise<unknown>,
  end: 'commit' | 'roll back',
): Promise<void> {
  const outcome = transaction(async (tx) => {
    await work(tx);
    if (end === 'roll back') throw new RollBack();
  });
  await outcome.catch((error: unknown) => {
    if (!(error instanceof RollBack)) throw error;
  });
}

const viaPool: Query = async (text) => (await database.pool.query(text)).rows;
const plainQuery = {
  text: `SELECT 'r' || i AS id, 'r' || i || '@example.com' AS email FROM generate_series(1, $1::int) i`,
  values: ['3'],
};
const drizzleQuery = sql`SELECT 'r' || i AS id, 'r' || i || '@example.com' AS email FROM generate_series(1, ${3}::int) i`;

/** The adapters themselves; beneath them a client that answers as the library does. */
const adapters: Record<string, (client: Client) => AdapterTransaction> = {
  "pg-boss's fromKysely": (client) =>
    fromKysely({ executeQuery: ({ sql: text, parameters }) => client.query(text, [...parameters]) as never }),
  "pg-boss's fromKnex": (client) =>
    fromKnex({
      raw: (text, bindings = []) => {
        let number = 0;
        const numbered = text.replace(/\\\?|\?/g, (found) => (found === '?' ? `$${++number}` : '?'));
        return client.query(numbered, [...bindings]) as never;
      },
    }),
  "pg-boss's fromPrisma": (client) =>
    fromPrisma({ $queryRawUnsafe: async (text, ...values) => (await client.query(text, values)).rows as never }),
  "pg-boss's fromDrizzle": (client) => fromDrizzle(drizzleNodePg(client), sql),
};

/** Passes everything on, and counts what is asked of the driver: one call is one statement. */
function counting(tx: Transaction): { readonly tx: Transaction; readonly calls: string[] } {
  const calls: string[] = [];
  const statements = new Set(['execute', 'query', 'unsafe', 'executeSql']);
  const get = (target: object, name: string | symbol) => {
    const member: unknown = Reflect.get(target, name, target);
    if (typeof member !== 'function') return member;
    if (!statements.has(String(name))) return member.bind(target);
    return (...input: unknown[]) => {
      calls.push(String(name));
      return member.apply(target, input);
    };
  };
  return { tx: new Proxy(tx as object, { get }) as Transaction, calls };
}

const drivers: Driver[] = [
  {
    name: 'Drizzle on node-postgres',
    open: async () => {
      const db = drizzleNodePg(database.pool);
      return {
        inTransaction: (work, end) => withCallback((run) => db.transaction(run), work, end),
        query: viaPool,
        recipients: drizzleQuery,
        close: () => Promise.resolve(),
      };
    },
  },
  {
    name: 'Drizzle on postgres-js',
    open: async () => {
      const client = postgres(database.url, { max: 1, onnotice: () => undefined });
      const db = drizzlePostgresJs(client);
      return {
        inTransaction: (work, end) => withCallback((run) => db.transaction(run), work, end),
        query: viaPool,
        recipients: drizzleQuery,
        close: () => client.end(),
      };
    },
  },
  {
    name: 'postgres-js',
    open: async () => {
      const client = postgres(database.url, { max: 1, onnotice: () => undefined });
      return {
        inTransaction: (work, end) => withCallback((run) => client.begin((tx) => run(tx)), work, end),
        query: viaPool,
        recipients: plainQuery,
        close: () => client.end(),
      };
    },
  },
  {
    name: 'a pg client of a pool',
    open: async () => {
      const client = await database.pool.connect();
      return {
        inTransaction: async (work, end) => {
          await client.query('BEGIN');
          await work(client).finally(() => client.query(end === 'commit' ? 'COMMIT' : 'ROLLBACK'));
        },
        query: viaPool,
        recipients: plainQuery,
        close: async () => client.release(),
      };
    },
  },
  ...Object.entries({ 'a pg client': (client: Client) => client, ...adapters }).map(
    ([name, adapt]): Driver => ({
      name,
      open: async () => {
        const client = new Client({ connectionString: database.url });
        await client.connect();
        return {
          inTransaction: async (work, end) => {
            await client.query('BEGIN');
            await work(adapt(client)).finally(() => client.query(end === 'commit' ? 'COMMIT' : 'ROLLBACK'));
          },
          query: viaPool,
          recipients: plainQuery,
          close: () => client.end(),
        };
      },
    }),
  ),
  ...(['PGlite', 'Drizzle on PGlite'] as const).map(
    (name): Driver => ({
      name,
      open: async () => {
        const pglite = new PGlite();
        await pglite.exec(installScript());
        const query: Query = async (text) => (await pglite.query(text)).rows;
        await pglite.exec(`INSERT INTO herald.template (name, current_version) VALUES ('greeting', 1);
          INSERT INTO herald.template_version (template, version, title, body, labels, secrets, content_hash) VALUES ('greeting', 1, 'Hello {{labels.who}}', 'Hi', '{who}', '{}', 'x')`);
        const db = drizzlePglite(pglite);
        return {
          inTransaction: (work, end) =>
            withCallback(
              (run) => (name === 'PGlite' ? pglite.transaction((tx) => run(tx)) : db.transaction(run)),
              work,
              end,
            ),
          query,
          recipients: name === 'PGlite' ? plainQuery : drizzleQuery,
          close: () => pglite.close(),
        };
      },
    }),
  ),
];

describe.each(drivers)('$name', (driver) => {
  let session: Awaited<ReturnType<Driver['open']>>;
  beforeAll(async () => {
    session = await driver.open();
  }, 60_000);
  afterAll(() => session.close());
  beforeEach(async () => {
    await session.query('DELETE FROM herald.message');
    await session.query('DELETE FROM herald_queue.job');
  });

  const enqueue = (tx: Transaction) =>
    herald.enqueue(tx, greeting, {
      to: { id: 'ada', email: 'ada@example.com', name: 'Ünï "cöde" 🦊' },
      labels: { who: "O'Reilly \\ $1" },
      targets: ['w-1'],
      data: { deep: [1, null] },
    });

  test('a commit writes the message and its job', async () => {
    let messages: EnqueuedMessage[] = [];
    await session.inTransaction(async (tx) => {
      messages = await enqueue(tx);
    }, 'commit');
    expect(messages).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        recipientId: 'ada',
        method: 'smtp',
        status: 'pending',
        reason: null,
        deduplicated: false,
      },
    ]);
    const rows = await session.query(
      `SELECT m.id, n.labels, n.data, m.targets, j.name AS queue FROM herald.message m
       JOIN herald.notification n ON n.id = m.notification_id JOIN herald_queue.job j ON j.id = m.id`,
    );
    expect(rows).toEqual([
      {
        id: messages[0]?.id,
        labels: { who: "O'Reilly \\ $1" },
        data: { deep: [1, null] },
        targets: ['w-1'],
        queue: 'smtp',
      },
    ]);
  });

  test('takes one statement, however many recipients, once the template is known', async () => {
    await session.inTransaction(async (inner) => {
      await enqueue(inner);
      const { tx, calls } = counting(inner);
      const to = Array.from({ length: 30 }, (_, i) => ({ id: `p${i}`, email: `p${i}@example.com` }));
      const notification = { to, labels: { who: 'x' }, methods: ['smtp', 'webhook'], dedupeKey: 'k', targets: ['w'] };
      expect(await herald.enqueue(tx, greeting, notification)).toHaveLength(60);
      expect(calls).toHaveLength(1);
      await herald.enqueueFrom(tx, greeting, { recipients: session.recipients, labels: { who: 'x' } });
      expect(calls).toHaveLength(2);
      const ofOne = await herald.cancel(tx, { recipientId: 'p7' });
      expect(ofOne.map(({ answer }) => answer)).toEqual(['cancelled', 'cancelled']);
      expect(await herald.cancel(tx, { target: 'w' })).toHaveLength(60);
      expect(calls).toHaveLength(4);
    }, 'roll back');
  });

  test('a rollback leaves neither', async () => {
    await session.inTransaction(enqueue, 'roll back');
    expect(await session.query('SELECT id FROM herald.message UNION ALL SELECT id FROM herald_queue.job')).toEqual([]);
  });

  test('recipients come from a query of the same transaction', async () => {
    const { recipients } = session;
    await session.inTransaction(async (tx) => {
      const counts = await herald.enqueueFrom(tx, greeting, { recipients, labels: { who: 'all' } });
      expect(counts).toEqual([{ method: 'smtp', status: 'pending', reason: null, deduplicated: false, count: 3 }]);
    }, 'commit');
    expect(await session.query('SELECT count(*)::int AS n FROM herald_queue.job')).toEqual([{ n: 3 }]);
  });

  test('an error of the SQL function becomes an InvalidNotificationError, without the values', async () => {
    const attempt = session.inTransaction(
      (tx) =>
        herald.enqueue(
          tx,
          { ...greeting, name: 'gone' } as never,
          { to: { id: 'ada', email: 'ada@example.com' }, labels: { who: 'x' } } as never,
        ),
      'commit',
    );
    const error = await attempt.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidNotificationError);
    expect(error).toMatchObject({
      message: expect.stringMatching(/template: unknown template "gone"\. Write templates/),
    });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('ada@example.com');
  });

  test('preferences and cancelling work in the transaction, and a test sees what would be sent', async () => {
    await session.inTransaction(async (tx) => {
      await herald.setPreference(tx, { recipientId: 'ada', template: 'greeting', enabled: false });
      const [inhibited] = await enqueue(tx);
      expect(inhibited).toMatchObject({ status: 'inhibited', reason: 'preference' });
      await herald.setPreference(tx, { recipientId: 'ada', template: 'greeting', enabled: null });
      const [pending] = await enqueue(tx);
      const written = await writtenMessages(tx, { recipientId: 'ada' });
      expect(written.find((message) => message.id === pending?.id)?.content?.title).toBe("Hello O'Reilly \\ $1");
      expect(await herald.cancel(tx, { ids: [pending?.id ?? ''] })).toEqual([
        { messageId: pending?.id, answer: 'cancelled' },
      ]);
      expect(await herald.preferencesOf(tx, 'ada')).toMatchObject([
        { template: 'greeting', enabled: true, decidedBy: 'default' },
      ]);
    }, 'roll back');
  });
});
