/** An application in a process of its own: transactions of one to three messages, every tenth rolled back, until killed. */
import { Client } from 'pg';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting } from '../support/application.ts';

const herald = createHerald();
const url = process.env.DATABASE_URL ?? '';

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** The ledger is the application's own record: written in the same transaction, so it commits or vanishes with the messages. */
async function transaction(client: Client): Promise<void> {
  const count = 1 + Math.floor(Math.random() * 3);
  const to = Array.from({ length: count }, () => {
    const id = crypto.randomUUID();
    return { id, email: `${id}@example.com` };
  });
  await client.query('BEGIN');
  const messages = await herald.enqueue(client, greeting, {
    to,
    labels: { who: 'chaos' },
    methods: [Math.random() < 0.5 ? 'smtp' : 'webhook'],
  });
  await client.query('INSERT INTO chaos.ledger SELECT unnest($1::uuid[])', [messages.map((message) => message.id)]);
  await client.query(Math.random() < 0.1 ? 'ROLLBACK' : 'COMMIT');
}

let client = await connect();
process.stdout.write('ready\n');
for (;;) {
  try {
    await transaction(client);
    await new Promise((resolve) => setTimeout(resolve, 5));
  } catch {
    await client.end().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    client = await connect().catch(() => client);
  }
}
