/**
 * An application in a process of its own: transactions of one to three messages, every tenth rolled back and every fifth
 * serializable, until it is killed or has done its share. SIGUSR2 makes the next transaction stop before its end: the place to kill it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { createHerald } from '../../../src/enqueue/enqueue.ts';
import { defineTemplate } from '../../../src/templates/define.ts';
import { greeting } from '../../support/application.ts';
import { append } from '../journal.ts';

export interface EnqueuerOptions {
  readonly url: string;
  /** Where it records its transactions. */
  readonly journal: string;
  /** Messages to commit; endless by default. */
  readonly messages?: number;
  /** Milliseconds between transactions. */
  readonly pauseMs: number;
  /** Every other notification is of the template `escalating`; some of its readers read it. */
  readonly allParts?: boolean;
}

const options = JSON.parse(process.env['CHAOS_ENQUEUER'] ?? '{}') as EnqueuerOptions;
const herald = createHerald();
let stopInside = false;
process.on('SIGUSR2', () => {
  stopInside = true;
});

async function connect(): Promise<Client> {
  const client = new Client({
    connectionString: options.url,
    application_name: 'chaos enqueuer',
    connectionTimeoutMillis: 5000,
    // What an application does that shall survive half-open connections.
    query_timeout: 10_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

const escalating = defineTemplate({ name: 'escalating', labels: greeting.labels });

/** Recipients with an item that may not have been read. */
const readers: string[] = [];

/** Reads an item now and then, which cancels its later step. */
async function read(client: Client): Promise<void> {
  const reader = readers.shift();
  if (reader === undefined || Math.random() < 0.5) return;
  const items = '(SELECT array_agg(message_id) FROM herald.inbox WHERE recipient_id = $1)';
  await client.query(`SELECT herald.mark($1, 'read', message_ids => ${items})`, [reader]);
}

/** Writes the notification, and returns the ids of its messages, those of later steps included. */
async function enqueue(client: Client): Promise<string[]> {
  const to = Array.from({ length: 1 + Math.floor(Math.random() * 3) }, () => {
    const id = crypto.randomUUID();
    return { id, email: `${id}@example.com` };
  });
  const method = Math.random() < 0.5 ? 'smtp' : 'webhook';
  const escalates = options.allParts === true && Math.random() < 0.5;
  const messages = await herald.enqueue(client, escalates ? escalating : greeting, {
    to,
    labels: { who: 'chaos' },
    methods: escalates ? ['inbox', method] : [method],
  });
  if (!escalates) return messages.map((message) => message.id);
  readers.push(...to.map(({ id }) => id));
  const { rows } = await client.query<{ id: string }>(
    `SELECT m.id FROM herald.message m JOIN herald.message first USING (notification_id) WHERE first.id = $1`,
    [messages[0]?.id],
  );
  return rows.map(({ id }) => id);
}

/** The ledger is the application's own record in the database: it commits or vanishes with the messages. Returns the messages committed. */
async function transaction(client: Client): Promise<number> {
  await client.query(Math.random() < 0.2 ? 'BEGIN ISOLATION LEVEL SERIALIZABLE' : 'BEGIN');
  const ids = await enqueue(client);
  append(options.journal, { ids, state: 'open' });
  await client.query('INSERT INTO chaos.ledger SELECT unnest($1::uuid[])', [ids]);
  // A row that all enqueuers want: in serializable transactions one of two fails, and its messages must vanish.
  await client.query('UPDATE chaos.counter SET transactions = transactions + 1');
  if (stopInside) {
    process.stdout.write('inside a transaction\n');
    await pause(60_000);
  }
  const rollsBack = Math.random() < 0.1;
  await client.query(rollsBack ? 'ROLLBACK' : 'COMMIT');
  append(options.journal, { ids, state: rollsBack ? 'rolled back' : 'committed' });
  return rollsBack ? 0 : ids.length;
}

async function reconnected(old: Client): Promise<Client> {
  // Not awaited: a farewell over a half-open connection takes forever.
  old.end().catch(() => undefined);
  await pause(200);
  return connect().catch(() => old);
}

let client = await connect();
let committed = 0;
process.stdout.write('ready\n');
while (committed < (options.messages ?? Number.POSITIVE_INFINITY)) {
  try {
    committed += await transaction(client);
    await read(client);
    await pause(options.pauseMs);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === '40001' || error.code === '40P01'))
      await client.query('ROLLBACK').catch(() => undefined);
    else client = await reconnected(client);
  }
}
process.stdout.write('done\n');
client.end().catch(() => undefined);
process.exit(0);
