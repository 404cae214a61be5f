/** To whom, by which methods, and whether at all. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting } from '../support/application.ts';
import { ada, bob, type Enqueueing, issuesOf, named, openEnqueueing, outcomes } from './support.ts';

let it: Enqueueing;
beforeAll(async () => {
  it = await openEnqueueing();
});
beforeEach(() => it.reset());
afterAll(() => it.close());

const override = (name: string, methods: string) =>
  it.pool.query('UPDATE herald.template SET methods_override = $2 WHERE name = $1', [name, methods]);

describe('to whom', () => {
  test('one message per recipient and method, also when a recipient or a method is named twice', async () => {
    const messages = await it.enqueue({ to: [bob, ada, bob] }, named('both'));
    expect(outcomes(messages)).toEqual([
      'bob smtp pending',
      'bob webhook pending',
      'ada smtp pending',
      'ada webhook pending',
    ]);
    expect(await it.count("herald_queue.job WHERE name IN ('smtp', 'webhook')")).toBe(4);
    expect(outcomes(await it.enqueue({ methods: ['webhook', 'smtp', 'webhook'] }))).toEqual([
      'ada webhook pending',
      'ada smtp pending',
    ]);
  });

  test('of a recipient that is named twice the first counts', async () => {
    await it.enqueue({ to: [{ id: 'ada', email: 'first@example.com' }, ada] });
    expect(await it.rows()).toMatchObject([{ recipient: { id: 'ada', email: 'first@example.com' } }]);
  });

  test('`first` takes the first method without a reason against it, or the first of all if each has one', async () => {
    expect(outcomes(await it.enqueue({}, named('either')))).toEqual(['ada smtp pending']);
    expect(outcomes(await it.enqueue({ to: { id: 'mute' } }, named('either')))).toEqual(['mute webhook pending']);
    await it.herald.setPreference(it.pool, { recipientId: 'ada', method: 'smtp', enabled: false });
    expect(outcomes(await it.enqueue({}, named('either')))).toEqual(['ada webhook pending']);
    await it.herald.setPreference(it.pool, { recipientId: 'ada', enabled: false });
    expect(outcomes(await it.enqueue({}, named('either')))).toEqual(['ada smtp preference']);
    expect(outcomes(await it.enqueue({ to: [ada, { id: 'mute' }] }, named('either')))).toEqual([
      'ada smtp preference',
      'mute webhook pending',
    ]);
  });

  test('an address that is missing or suppressed is a row with its reason and without a job', async () => {
    await it.pool.query(
      `INSERT INTO herald.suppression (method, address, reason, suppressed_at) VALUES ('smtp', 'gone@example.com', 'x', now()), ('smtp', 'once@example.com', 'x', NULL), ('webhook', 'ada@example.com', 'x', now())`,
    );
    const to = [{ id: 'mute' }, { id: 'gone', email: 'Gone@Example.com' }, { id: 'once', email: 'once@example.com' }];
    expect(outcomes(await it.enqueue({ to }))).toEqual([
      'mute smtp no_address',
      'gone smtp suppressed',
      'once smtp pending',
    ]);
    expect(await it.count('herald_queue.job')).toBe(1);
    expect((await it.rows()).map((row) => [row.status, row.settled_at !== null])).toEqual([
      ['inhibited', true],
      ['inhibited', true],
      ['pending', false],
    ]);
    expect(outcomes(await it.enqueue())).toEqual(['ada smtp pending']);
  });

  test('a recipient may have a field that a method requires, and only then', async () => {
    await it.pool.query(`INSERT INTO herald.method (name, requires) VALUES ('sms', 'phone')`);
    await it.pool.query(`SELECT herald_queue.create_queue('sms', '{"policy": "standard"}')`);
    const to = [{ id: 'ada', phone: '+431' }, { id: 'bob' }];
    expect(outcomes(await it.enqueue({ to, methods: ['sms'] }))).toEqual(['ada sms pending', 'bob sms no_address']);
    expect((await it.rows())[0].recipient).toEqual({ id: 'ada', phone: '+431' });
    expect(await issuesOf(it.enqueue({ to }))).toEqual([expect.stringMatching(/^to\[0\]\.phone: .*not a known field/)]);
  });

  test("an operator's override wins over the template's methods and the caller's; an empty one is none", async () => {
    await override('greeting', '{webhook}');
    expect(outcomes(await it.enqueue({ methods: ['smtp'] }))).toEqual(['ada webhook pending']);
    await override('greeting', '{}');
    expect(outcomes(await it.enqueue())).toEqual(['ada smtp pending']);
    expect(outcomes(await it.enqueue({ methods: ['webhook'] }))).toEqual(['ada webhook pending']);
  });

  test('without any of them the setting `methods` decides', async () => {
    await it.pool.query(
      `INSERT INTO herald.setting (key, value, updated_by) VALUES ('methods', '["webhook", "smtp"]', 'x')`,
    );
    expect(outcomes(await it.enqueue())).toEqual(['ada webhook pending', 'ada smtp pending']);
  });

  test('recipients may be ids that a resolver of the application looks up in the same transaction', async () => {
    const asked: (readonly string[])[] = [];
    const herald = createHerald({
      recipients: async (tx, ids) => {
        asked.push(ids);
        const found = await (tx as typeof it.pool).query('SELECT id, email FROM customer WHERE id = ANY ($1)', [ids]);
        return found.rows;
      },
    });
    await it.withClient(async (client) => {
      await client.query(`BEGIN; CREATE TEMP TABLE customer (id text, email text) ON COMMIT DROP;
        INSERT INTO customer VALUES ('bob', 'bob@example.com'), ('eve', NULL)`);
      const send = (to: unknown) => herald.enqueue(client, greeting, { to, labels: { who: 'x' } } as never);
      expect(outcomes(await send(['eve', ada, 'bob', 'bob']))).toEqual([
        'eve smtp no_address',
        'ada smtp pending',
        'bob smtp pending',
      ]);
      expect(asked).toEqual([['eve', 'bob']]);
      expect(await issuesOf(send([ada, 'nobody@example.com']))).toEqual([
        'to[1]: the resolver found no recipient with this id',
      ]);
    });
    expect(await issuesOf(it.enqueue({ to: 'bob' }))).toEqual([expect.stringContaining('no `recipients` resolver')]);
  });
});

describe('whether', () => {
  test('disabled templates and methods inhibit', async () => {
    await it.pool.query(
      `UPDATE herald.template SET enabled = false WHERE name = 'greeting'; UPDATE herald.method SET enabled = false WHERE name = 'webhook'`,
    );
    expect(outcomes(await it.enqueue())).toEqual(['ada smtp template_disabled']);
    expect(outcomes(await it.enqueue({}, named('both')))).toEqual(['ada smtp pending', 'ada webhook method_disabled']);
  });

  test('a template that is off by default goes to those who asked for it, a mandatory one to every recipient', async () => {
    expect(outcomes(await it.enqueue({}, named('quiet')))).toEqual(['ada smtp default_off']);
    await it.herald.setPreference(it.pool, { recipientId: 'ada', template: 'quiet', enabled: true });
    expect(outcomes(await it.enqueue({}, named('quiet')))).toEqual(['ada smtp pending']);
    await it.herald.setPreference(it.pool, { recipientId: 'ada', enabled: false });
    expect(outcomes(await it.enqueue())).toEqual(['ada smtp preference']);
    expect(outcomes(await it.enqueue({}, named('must')))).toEqual(['ada smtp pending']);
  });

  test('a preference that is not committed counts in its own transaction only', async () => {
    await it.withClient(async (client) => {
      await client.query('BEGIN');
      await it.herald.setPreference(client, { recipientId: 'ada', template: 'greeting', enabled: false });
      const inside = await it.herald.enqueue(client, greeting, { to: ada, labels: { who: 'x' } });
      expect(outcomes(inside)).toEqual(['ada smtp preference']);
      expect(outcomes(await it.enqueue())).toEqual(['ada smtp pending']);
    });
  });

  test('an inhibited message keeps no secret and has no job', async () => {
    await it.herald.setPreference(it.pool, { recipientId: 'ada', enabled: false });
    await it.pool.query(
      `SELECT herald.enqueue('{"template": "code", "to": {"id": "ada"}, "labels": {"who": "x", "code": "1234"},
         "allowPlainSecrets": true}')`,
    );
    expect(await it.rows()).toMatchObject([{ status: 'inhibited', secrets: null, labels: { who: 'x' } }]);
    expect(await it.count('herald_queue.job')).toBe(0);
  });

  test.each<[string, object, RegExp]>([
    ['an unknown template', { template: 'nope', enabled: true }, /^subject: unknown template "nope"\./],
    ['an unknown group', { group: 'Nope', enabled: true }, /^subject: unknown group "Nope"\./],
    ['an unknown method', { method: 'pigeon', enabled: true }, /^method: unknown method "pigeon"\./],
    ['switching off what is mandatory', { template: 'must', enabled: false }, /^subject: template "must" is mandatory/],
    ['an empty recipient', { recipientId: '', enabled: false }, /^recipientId: is empty/],
    ['a NUL byte', { template: 'a\u0000', enabled: false }, /^template: holds control characters/],
    ['a choice that is a text', { enabled: 'yes' }, /^enabled: must be/],
    ['several faults at once', { recipientId: 5, enabled: 1 }, /^recipientId: .*enabled: /],
  ])('a preference refuses %s', async (_, preference, expected) => {
    const attempt = it.herald.setPreference(it.pool, { recipientId: 'ada', ...preference } as never);
    expect((await issuesOf(attempt)).join()).toMatch(expected);
    expect(await it.count('herald.preference')).toBe(0);
  });
});

describe('a recipient alone', () => {
  const people = [
    ada,
    bob,
    { id: 'mute' },
    { id: 'gone', email: 'Gone@example.com' },
    { id: '7', email: 'x@y.example', name: '' },
  ];

  test.each(['greeting', 'quiet', 'must', 'brief'] as const)(
    'gets what it would among others: %s',
    async (template) => {
      await it.pool.query(`INSERT INTO herald.suppression (method, address, reason, suppressed_at) VALUES ('smtp', 'gone@example.com', 'x', now());
      INSERT INTO herald.preference (recipient_id, scope, subject, method, enabled) VALUES ('bob', 'all', '', '*', false), ('ada', 'template', 'quiet', 'smtp', true)`);
      const rowsOf = async (dedupeKey: string) => {
        const { rows } = await it.pool.query(
          `SELECT to_jsonb(m) - '{id,notification_id,dedupe_key,created_at,settled_at,next_attempt_at,expires_at}'::text[] AS row, m.settled_at IS NULL AS open,
          m.expires_at - m.created_at AS ttl, to_jsonb(j) - '{id,created_on,start_after,keep_until}'::text[] AS job
         FROM herald.message m LEFT JOIN herald_queue.job j USING (id) WHERE m.dedupe_key = $1 ORDER BY m.recipient_id`,
          [dedupeKey],
        );
        return rows;
      };
      await it.enqueue({ to: people, dedupeKey: 'together' }, named(template));
      for (const person of people) await it.enqueue({ to: person, dedupeKey: 'alone' }, named(template));
      expect(await rowsOf('alone')).toEqual(await rowsOf('together'));
      expect(await it.count()).toBe(people.length * 2);
    },
  );
});
