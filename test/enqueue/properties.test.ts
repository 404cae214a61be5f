/** Random sequences of calls against small models of the rules, written here again in the simplest way. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import type { Notification } from '../../src/enqueue/notification.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { outcomes } from './support.ts';

const both = greetingFile.replace('group:', 'methods: [smtp, webhook]\ngroup:');
const database = useDatabase({
  templates: {
    greeting: both,
    both,
    either: both.replace('group:', 'fallback: first\ngroup:'),
  },
});
const herald = createHerald();

const empty = () =>
  database.pool.query(`TRUNCATE herald.message, herald.preference; DELETE FROM herald_queue.job;
    UPDATE herald.template SET methods_override = NULL; UPDATE herald.method SET enabled = true`);

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
          autocommit: true,
          to: recipient(who),
          labels: { who: 'x' },
          methods: [by],
        });
        expect(messages.map((m) => m.reason)).toEqual([wanted ? null : 'preference']);
        const effective = (await herald.preferencesOf(database.pool, who)).find(
          (row) => row.template === 'greeting' && row.method === by,
        );
        expect(effective?.enabled).toBe(wanted);
      }),
      { numRuns: 60 },
    );
  });

  test('of several methods, fallbacks, overrides and dedupe keys exactly the messages of the rules are written', {
    timeout: 60_000,
  }, async () => {
    const methodList = fc.uniqueArray(method, { minLength: 1 });
    const scene = fc.record({
      template: fc.constantFrom('both', 'either'),
      override: fc.option(methodList),
      methods: fc.option(methodList),
      off: fc.option(method),
      to: fc.array(fc.record({ id: person, reachable: fc.boolean() }), { minLength: 1, maxLength: 5 }),
      key: fc.constantFrom(undefined, 'k1', 'k2'),
      ttlSeconds: fc.constantFrom(undefined, 60),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(scene, { minLength: 1, maxLength: 5 }), async (scenes) => {
        await empty();
        const taken = new Map<string, string>();
        for (const { template, override, methods, off, to, key, ttlSeconds } of scenes) {
          await database.pool.query('UPDATE herald.template SET methods_override = $1', [override]);
          await database.pool.query('UPDATE herald.method SET enabled = name IS DISTINCT FROM $1', [off]);
          const messages = await herald.enqueue(database.pool, { ...greeting, name: template }, {
            autocommit: true,
            to: to.map(({ id, reachable }) => (reachable ? recipient(id) : { id })),
            labels: { who: 'x' },
            ...(methods && { methods }),
            ...(key && { dedupeKey: key }),
            ...(ttlSeconds && { ttlSeconds }),
          } as Notification<typeof greeting> & { autocommit: true });
          const chosen = override ?? methods ?? ['smtp', 'webhook'];
          const firstOfEach = to.filter(({ id }, index) => to.findIndex((other) => other.id === id) === index);
          const wanted = firstOfEach.flatMap(({ id, reachable }) => {
            const each = chosen.map((by) => {
              const reason = by === off ? 'method_disabled' : by === 'smtp' && !reachable ? 'no_address' : 'pending';
              return { id, by, reason };
            });
            const picked = template === 'both' ? each : [each.find((one) => one.reason === 'pending') ?? each[0]];
            return picked.flatMap((one) => (one ? [one] : []));
          });
          const written: string[] = [];
          const again: string[] = [];
          for (const { id, by, reason } of wanted) {
            const slot = `${key} ${id} ${template === 'both' ? by : '*'}`;
            const before = key ? taken.get(slot) : undefined;
            if (before !== undefined) again.push(`${before} again`);
            else {
              written.push(`${id} ${by} ${reason}`);
              if (key) taken.set(slot, `${id} ${by} ${reason}`);
            }
          }
          expect(outcomes(messages)).toEqual([...written, ...again]);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('a time to send, an expiry and a time to live mean one state and one time, whatever is past', {
    timeout: 60_000,
  }, async () => {
    const seconds = fc.integer({ min: -1000, max: 1000 }).filter((n) => Math.abs(n) > 5);
    const times = fc.record({
      send: fc.oneof(
        fc.constant(null),
        fc.record({ at: seconds }),
        fc.record({ delay: fc.integer({ min: 0, max: 1000 }) }),
      ),
      end: fc.oneof(
        fc.constant(null),
        fc.record({ at: seconds }),
        fc.record({ ttl: fc.integer({ min: 1, max: 1000 }) }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(times, async ({ send, end }) => {
        await empty();
        const client = await database.pool.connect();
        try {
          await client.query('BEGIN');
          const now: number = (await client.query('SELECT now() AS now')).rows[0].now.getTime();
          const at = (offset: number) => new Date(now + offset * 1000);
          const attempt = herald.enqueue(client, greeting, {
            to: recipient('ada'),
            labels: { who: 'x' },
            methods: ['smtp'],
            ...(send && ('at' in send ? { sendAt: at(send.at) } : { delaySeconds: send.delay })),
            ...(end && ('at' in end ? { expiresAt: at(end.at) } : { ttlSeconds: end.ttl })),
          });
          const asked = send === null ? null : 'at' in send ? send.at : send.delay;
          const start = Math.max(asked ?? 0, 0);
          const expiry = end === null ? null : 'at' in end ? end.at : start + end.ttl;
          if (asked !== null && expiry !== null && expiry <= asked) {
            await expect(attempt).rejects.toThrow(/would expire before/);
            return;
          }
          const [message] = await attempt;
          expect(message?.status).toBe(expiry !== null && expiry <= 0 ? 'expired' : 'pending');
          const row = (await client.query('SELECT * FROM herald.message')).rows[0];
          expect(Math.abs(row.next_attempt_at.getTime() - at(start).getTime())).toBeLessThan(2);
          if (expiry === null) expect(row.expires_at).toBeNull();
          else expect(Math.abs(row.expires_at.getTime() - at(expiry).getTime())).toBeLessThan(2);
        } finally {
          await client.query('ROLLBACK');
          client.release();
        }
      }),
      { numRuns: 100 },
    );
  });

  test('what TypeScript refuses SQL refuses too, at the same place', { timeout: 120_000 }, async () => {
    const line = fc.constantFrom('a', 'x'.repeat(200), '', 'x'.repeat(501), 'a\nb', '\u007f', 5, null, {}, 'ü🦊');
    const number = fc.constantFrom(0, 1, -1, 0.5, 1000, 1001, -1000, 1e12, 1e300, 'x', null, [], true);
    const url = fc.constantFrom(
      'https://example.com/a',
      'http://example.com',
      'mailto:a@example.com',
      'javascript:x',
      'nope',
      '',
      'https://',
      5,
    );
    const email = fc.constantFrom(
      'a@example.com',
      'a@b',
      'ü@exämple.com',
      'a@@b',
      '@b',
      'a@',
      'a b@c',
      'a,b@c',
      'a@b,c@d',
      '<a@b>',
      'a@b>',
      '"a"@b',
      'a.@b',
      '.a@b',
      'a..b@c',
      'a@-b',
      'a@b-',
      'a@b..c',
      'a@.b',
      'a@b.',
      'a@1.2.3.4',
      'a@[::1]',
      `${'x'.repeat(65)}@b`,
      `a@${'x.'.repeat(150)}c`,
      'a\u200b@b',
      'a\u00a0@b',
      '\u202ea@b',
      'a@b_c',
      '',
      null,
    );
    // A number in a recipient is a text in SQL, where ids often are numbers.
    const text = line.filter((value) => typeof value !== 'number');
    // Only TypeScript knows which languages and time zones exist.
    const known = (name: string) => fc.constantFrom(name, '', null, {}, 'x'.repeat(501), 'a\nb');
    const names = { name: text, locale: known('de-AT'), timeZone: known('Europe/Vienna') };
    const person = fc.record({ id: text, email, ...names }, { requiredKeys: [] });
    const notification = fc.record(
      {
        to: fc.oneof(person, fc.array(person, { minLength: 1, maxLength: 3 }), fc.constantFrom(5, 'x')),
        labels: fc.constantFrom({ who: 'x' }, {}, { who: 5 }, { who: null }, [], 'x'),
        targets: fc.oneof(fc.array(line, { maxLength: 2 }), line),
        methods: fc.oneof(fc.array(fc.constantFrom('smtp', 'webhook', 'pigeon', '*', 5)), line),
        actions: fc.oneof(fc.array(fc.record({ label: line, url }, { requiredKeys: [] }), { maxLength: 2 }), line),
        dedupeKey: line,
        dedupeWindowSeconds: number,
        delaySeconds: number,
        ttlSeconds: number,
        priority: number,
        tenant: line,
        groupKey: line,
        unsubscribeUrl: url,
        createdBy: line,
        traceContext: fc.constantFrom({}, { a: 'b' }, { a: 1 }, 'x'),
        stray: fc.constantFrom(1),
      },
      { requiredKeys: ['to', 'labels'] },
    );
    const broken = fc.tuple(notification, fc.constantFrom(...Object.keys(optionsThatHold))).map(([input, key]) => ({
      ...optionsThatHold,
      to: input.to === undefined || key !== 'to' ? optionsThatHold.to : input.to,
      labels: key === 'labels' ? input.labels : optionsThatHold.labels,
      ...(key !== 'to' && key !== 'labels' && key in input && { [key]: input[key as keyof typeof input] }),
    }));
    await fc.assert(
      fc.asyncProperty(broken, async (input) => {
        await empty();
        const inTypeScript = await placeOf(
          herald.enqueue(database.pool, greeting, { autocommit: true, ...input, strict: true } as Notification<
            typeof greeting
          > & { autocommit: true }),
          'issues',
        );
        await empty();
        const json = JSON.stringify({ template: 'greeting', invalidAddress: 'reject', ...input });
        const inSql = await placeOf(database.pool.query('SELECT herald.enqueue($1::jsonb)', [json]), 'column');
        // JSON null is an option that is not given; TypeScript refuses it already when it compiles.
        if (!json.includes('null')) expect({ input, place: inSql }).toEqual({ input, place: inTypeScript });
      }),
      { numRuns: 250 },
    );
  });
});

/** A notification with nothing wrong in it. */
const optionsThatHold = {
  to: { id: 'ada', email: 'ada@example.com' } as unknown,
  labels: { who: 'x' } as unknown,
  targets: ['w'] as unknown,
  methods: ['smtp'] as unknown,
  actions: [] as unknown,
  dedupeKey: 'k' as unknown,
  dedupeWindowSeconds: 60 as unknown,
  delaySeconds: 5 as unknown,
  ttlSeconds: 60 as unknown,
  priority: 1 as unknown,
  tenant: 't' as unknown,
  groupKey: 'g' as unknown,
  unsubscribeUrl: 'https://example.com/u' as unknown,
  createdBy: 'me' as unknown,
  traceContext: {} as unknown,
};

/** The option at fault, or `taken`. */
async function placeOf(attempt: Promise<unknown>, field: 'issues' | 'column'): Promise<string> {
  const error = await attempt.then(
    () => null,
    (thrown: { issues?: { path: string }[]; column?: string }) => thrown,
  );
  if (error === null) return 'taken';
  const path = field === 'issues' ? error.issues?.[0]?.path : error.column;
  return path === undefined ? JSON.stringify(error) : (/^\w+/.exec(path)?.[0] ?? path);
}
