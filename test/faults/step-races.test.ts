/**
 * A recipient reads at the moment at which a worker begins the step that waits for it: the row lock decides, so that a
 * step is either cancelled or sent, and the reader is told which.
 */
import { randomUUID } from 'node:crypto';
import { Pool } from 'pg';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/database/database.ts';
import { openAttempts } from '../../src/delivery/begin.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { useDatabase } from '../support/use-database.ts';

const races = 10_000;
const atOnce = 8;
const template = defineTemplate({ name: 'raced', labels: v.object({}) });
const database = useDatabase({
  templates: {
    raced: '---\ntitle: x\nmethods: [inbox]\nthen: [{ after: 1h, unless: read, methods: [smtp] }]\n---\nBody\n',
  },
});

test(`in ${races} races no step is both cancelled and begun, and none is neither`, { timeout: 300_000 }, async () => {
  const to = Array.from({ length: races }, (_, n) => ({ id: `r${n}`, email: `r${n}@example.com` }));
  await createHerald().enqueue(database.pool, template, { autocommit: true, to, labels: {} });
  await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE step = 1; ANALYZE herald.message`);
  const { rows } = await database.pool.query<{ item: string; step: string; recipient: string }>(
    `SELECT i.id AS item, s.id AS step, i.recipient_id AS recipient FROM herald.message i
     JOIN herald.message s ON s.notification_id = i.notification_id AND s.recipient_id = i.recipient_id AND s.step = 1
     WHERE i.step IS NULL`,
  );
  expect(rows).toHaveLength(races);
  const readers = new Pool({ connectionString: database.url, max: atOnce });
  const worker = openDatabase(
    { connectionString: database.url, applicationName: 'racing', maxConnections: atOnce, prepare: true },
    () => undefined,
  );
  const told = new Map<string, { begun: boolean; cancelled: number }>();

  async function race({ item, step, recipient }: (typeof rows)[number], n: number) {
    // Neither side is always a little earlier than the other.
    const late = (side: number) =>
      n % 3 === side ? new Promise((resolve) => setImmediate(resolve)) : Promise.resolve();
    const begin = async () => {
      await late(0);
      const options = { database: worker, worker: 'w', token: randomUUID(), maxAttempts: 5, isolated: false };
      return (await openAttempts([step], options))[0]?.disposition === 'open';
    };
    const read = async () => {
      await late(1);
      const text = `SELECT cancelled::int FROM herald.mark($1, 'read', message_ids => ARRAY[$2::uuid])`;
      return (await readers.query<{ cancelled: number }>(text, [recipient, item])).rows[0]?.cancelled ?? 0;
    };
    const [begun, cancelled] = await Promise.all(n % 2 === 0 ? [begin(), read()] : [read(), begin()].reverse());
    told.set(step, { begun: begun as boolean, cancelled: cancelled as number });
  }

  try {
    const waiting = rows.entries();
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        for (const [n, row] of waiting) await race(row, n);
      }),
    );
  } finally {
    await readers.end();
    await worker.pool.end();
  }
  const after = await database.pool.query<{ id: string; status: string; reason: string | null }>(
    'SELECT id, status, reason FROM herald.message WHERE step = 1',
  );
  const wrong = after.rows.filter(({ id, status, reason }) => {
    const { begun, cancelled } = told.get(id) ?? { begun: false, cancelled: -1 };
    const isBegun = begun && cancelled === 0 && status === 'sending';
    const isCancelled = !begun && cancelled === 1 && status === 'cancelled' && reason === 'read';
    return isBegun === isCancelled;
  });
  expect(wrong).toEqual([]);
  // A race that one side always wins shows nothing.
  const begun = after.rows.filter(({ status }) => status === 'sending').length;
  expect(begun).toBeGreaterThan(races / 100);
  expect(begun).toBeLessThan(races - races / 100);
});
