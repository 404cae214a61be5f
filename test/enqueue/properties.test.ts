/** Random sequences of calls against small models of the rules, written here again in the simplest way. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, putTemplates } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
const herald = createHerald();

beforeAll(async () => {
  database = await createTestDatabase();
  await putTemplates(database.pool, { greeting: greetingFile.replace('group:', 'methods: [smtp, webhook]\ngroup:') });
});
afterAll(() => database.close());
const empty = () => database.pool.query('TRUNCATE herald.message, herald.preference; DELETE FROM herald_queue.job');

const person = fc.constantFrom('ada', 'bob', 'eve');
const method = fc.constantFrom('smtp', 'webhook');
const recipient = (id: string) => ({ id, email: `${id}@example.com` });

describe('for any sequence of calls', () => {
  test('a dedupe key makes one message per recipient and method, and cancelling answers by the state', {
    timeout: 60_000,
  }, async () => {
    const call = fc.oneof(
      fc.record({
        do: fc.constant('enqueue' as const),
        key: fc.constantFrom('k1', 'k2'),
        to: fc.uniqueArray(person, { minLength: 1 }),
        end: fc.constantFrom('COMMIT', 'ROLLBACK'),
      }),
      fc.record({
        do: fc.constant('cancel' as const),
        key: fc.constantFrom('k1', 'k2'),
        end: fc.constantFrom('COMMIT', 'ROLLBACK'),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
        await empty();
        /** Status by key, recipient and method. */
        const model = new Map<string, 'pending' | 'cancelled'>();
        const client = await database.pool.connect();
        try {
          for (const step of calls) {
            const before = new Map(model);
            await client.query('BEGIN');
            if (step.do === 'enqueue') {
              const messages = await herald.enqueue(client, greeting, {
                to: step.to.map(recipient),
                labels: { who: 'x' },
                dedupeKey: step.key,
              });
              const expected = step.to.flatMap((id) => ['smtp', 'webhook'].map((by) => `${step.key} ${id} ${by}`));
              const answers = messages.map(
                (m) => `${step.key} ${m.recipientId} ${m.method} ${m.status} ${m.deduplicated}`,
              );
              expect(answers.toSorted()).toEqual(
                expected.map((key) => `${key} ${model.get(key) ?? 'pending'} ${model.has(key)}`).toSorted(),
              );
              for (const key of expected) if (!model.has(key)) model.set(key, 'pending');
            } else {
              const answers = (await herald.cancel(client, { dedupeKey: step.key })).map((answer) => answer.answer);
              const own = [...model].filter(([key]) => key.startsWith(`${step.key} `));
              expect(answers.toSorted()).toEqual(
                own.map(([, status]) => (status === 'pending' ? 'cancelled' : 'already_settled')).toSorted(),
              );
              for (const [key] of own) model.set(key, 'cancelled');
            }
            await client.query(step.end);
            if (step.end === 'ROLLBACK') {
              model.clear();
              for (const [key, status] of before) model.set(key, status);
            }
          }
          const stored = await client.query(
            `SELECT dedupe_key || ' ' || recipient_id || ' ' || method AS key, status FROM herald.message`,
          );
          expect(new Map(stored.rows.map((row) => [row.key, row.status]))).toEqual(model);
        } finally {
          client.release();
        }
      }),
      { numRuns: 40 },
    );
  });

  test('the most specific preference decides', { timeout: 60_000 }, async () => {
    const choice = fc.record({
      recipientId: person,
      scope: fc.constantFrom('template', 'group', 'all'),
      method: fc.constantFrom('smtp', 'webhook', '*'),
      enabled: fc.constantFrom(true, false, null),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(choice, { maxLength: 12 }), person, method, async (choices, who, by) => {
        await empty();
        const model = new Map<string, boolean>();
        for (const { recipientId, scope, method: of, enabled } of choices) {
          await herald.setPreference(database.pool, {
            recipientId,
            ...(scope === 'template' && { template: 'greeting' }),
            ...(scope === 'group' && { group: 'Greetings' }),
            method: of,
            enabled,
          });
          const key = `${recipientId} ${scope} ${of}`;
          if (enabled === null) model.delete(key);
          else model.set(key, enabled);
        }
        const order = ['template', 'group', 'all'].flatMap((scope) => [by, '*'].map((of) => `${who} ${scope} ${of}`));
        const wanted = order.map((key) => model.get(key)).find((enabled) => enabled !== undefined) ?? true;
        const messages = await herald.enqueue(database.pool, greeting, {
          to: recipient(who),
          labels: { who: 'x' },
          methods: [by],
        });
        expect(messages.map((m) => m.reason)).toEqual([wanted ? null : 'preference']);
        const effective = (await herald.preferencesOf(database.pool, who)).find((row) => row.method === by);
        expect(effective?.enabled).toBe(wanted);
      }),
      { numRuns: 60 },
    );
  });
});
