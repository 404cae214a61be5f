/** Later steps of a notification: written with it, cancelled by the recipient who reacts, checked again before sending. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as v from 'valibot';
import { migrate } from '../../src/database/migrate.ts';
import { applyRoles } from '../../src/database/roles.ts';
import type { Worker } from '../../src/delivery/worker.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { erase } from '../../src/operate/erase.ts';
import { showMessage } from '../../src/operate/messages.ts';
import { explain } from '../../src/operate/why.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { drain, writtenMessages } from '../../src/testing/index.ts';
import { scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const incident = defineTemplate({ name: 'incident', labels: v.object({ what: v.string() }) });
const incidentFile = `---
title: "{{labels.what}}"
group: Incidents
methods: [inbox]
then:
  - { after: 15m, unless: seen, methods: [smtp] }
  - { after: 1h, unless: read, methods: [smtp, sms] }
  - { after: 1d, unless: acknowledged, methods: [smtp] }
---
Something happened.
`;

const database = useDatabase({ templates: { incident: incidentFile } });
const herald = createHerald();
let workers: Worker[] = [];

beforeAll(() => migrate(database.url, { methods: ['sms'] }));
beforeEach(() =>
  database.pool.query(`TRUNCATE herald.message, herald.attempt, herald.inbox, herald.acknowledgement, herald.preference,
    herald.notification; DELETE FROM herald_queue.job`),
);
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  workers = [];
});

const ada = { id: 'ada', email: 'ada@example.com' };
const bob = { id: 'bob', email: 'bob@example.com' };

type Options = Partial<Parameters<typeof herald.enqueue<typeof incident, true>>[2]>;

function enqueue(options: Options = {}) {
  const notification = {
    autocommit: true as const,
    to: ada,
    labels: { what: 'Disk full' },
    targets: ['disk'],
    ...options,
  };
  return herald.enqueue(database.pool, incident, notification);
}

interface Row {
  readonly id: string;
  readonly step: number | null;
  readonly method: string;
  readonly status: string;
  readonly reason: string | null;
  readonly unless: string | null;
  readonly seconds: number | null;
}

async function messages(recipientId = 'ada'): Promise<Row[]> {
  const { rows } = await database.pool.query<Row>(
    `SELECT id, step, method, status, reason, unless, extract(epoch FROM send_at - created_at)::float8 AS seconds
     FROM herald.message WHERE recipient_id = $1 ORDER BY id`,
    [recipientId],
  );
  return rows;
}

const states = async (recipientId?: string) =>
  (await messages(recipientId)).map(({ step, method, status, reason }) => [step, method, status, reason].join(' '));

async function mark(state: string, recipientId = 'ada') {
  const { rows } = await database.pool.query<{ changed: string; cancelled: string }>(
    `SELECT changed, cancelled FROM herald.mark($1, $2, target => 'disk')`,
    [recipientId, state],
  );
  return { changed: Number(rows[0]?.changed), cancelled: Number(rows[0]?.cancelled) };
}

/** Makes every step due now. */
async function letTimePass() {
  await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
  await database.pool.query(`SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))`);
}

async function start() {
  const smtp = scriptedDispatcher();
  const worker = testWorker(database.url, { dispatchers: { smtp, sms: scriptedDispatcher() } });
  workers.push(worker);
  await worker.start();
  return smtp.deliveries;
}

const untilSettled = () =>
  until(async () => (await messages()).every(({ status }) => !['pending', 'sending'].includes(status)));

describe('steps', () => {
  test('are written with the notification, scheduled from its start', async () => {
    const written = await enqueue();
    expect(written.map(({ method, status }) => [method, status])).toEqual([
      ['inbox', 'sent'],
      ...Array(4)
        .fill(null)
        .map((_, n) => [n === 2 ? 'sms' : 'smtp', 'pending']),
    ]);
    expect((await messages()).map(({ step, method, unless, seconds }) => [step, method, unless, seconds])).toEqual([
      [null, 'inbox', null, null],
      [1, 'smtp', 'seen', 900],
      [2, 'smtp', 'read', 3600],
      [2, 'sms', 'read', 3600],
      [3, 'smtp', 'acknowledged', 86_400],
    ]);
    expect((await database.pool.query('SELECT FROM herald_queue.job')).rowCount).toBe(4);
  });

  test('start from the time that the notification may be sent at', async () => {
    await enqueue({ delaySeconds: 100 });
    expect((await messages()).map(({ seconds }) => seconds)).toEqual([100, 1000, 3700, 3700, 86_500]);
  });

  test('do not exist if the transaction is rolled back', async () => {
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      await herald.enqueue(client, incident, { to: ada, labels: { what: 'x' } });
      await client.query('ROLLBACK');
    } finally {
      client.release();
    }
    expect(await messages()).toEqual([]);
  });

  test('that would come after the notification has expired are left out', async () => {
    await enqueue({ expiresAt: new Date(Date.now() + 1_800_000) });
    expect(await states()).toEqual([' inbox sent ', '1 smtp pending ']);
  });

  test('are written once for a dedupe key, which returns them as well', async () => {
    const first = await enqueue({ dedupeKey: 'disk' });
    const again = await enqueue({ dedupeKey: 'disk' });
    expect(again.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect(again.every(({ deduplicated }) => deduplicated)).toBe(true);
    expect(await messages()).toHaveLength(5);
  });

  test('follow the preferences: a method that is off inhibits its step, and later ones go on', async () => {
    await herald.setPreference(database.pool, {
      recipientId: 'ada',
      template: 'incident',
      method: 'sms',
      enabled: false,
    });
    await enqueue();
    expect(await states()).toEqual([
      ' inbox sent ',
      '1 smtp pending ',
      '2 smtp pending ',
      '2 sms inhibited preference',
      '3 smtp pending ',
    ]);
  });

  test('are refused with the notification where one of their methods does not exist', async () => {
    await database.pool.query(`UPDATE herald.template SET steps = jsonb_set(steps, '{1,methods,1}', '"fax"')`);
    try {
      await expect(enqueue()).rejects.toThrow(/unknown method "fax" in a step of template "incident"/);
      expect(await messages()).toEqual([]);
    } finally {
      await database.pool.query(`UPDATE herald.template SET steps = jsonb_set(steps, '{1,methods,1}', '"sms"')`);
    }
  });
});

describe('a recipient who reacts', () => {
  test('by seeing cancels what waits for that, in the statement that marks it', async () => {
    await enqueue();
    expect(await mark('seen')).toEqual({ changed: 1, cancelled: 1 });
    expect(await states()).toContain('1 smtp cancelled seen');
    expect((await messages()).filter(({ status }) => status === 'pending')).toHaveLength(3);
    expect((await database.pool.query('SELECT FROM herald_queue.job')).rowCount).toBe(3);
  });

  test('by reading cancels what waits for reading and seeing, of this notification and this person', async () => {
    await enqueue({ to: [ada, bob] });
    await enqueue({ targets: ['other'] });
    expect(await mark('read')).toEqual({ changed: 1, cancelled: 3 });
    expect(await mark('read')).toEqual({ changed: 0, cancelled: 0 });
    expect((await states()).filter((state) => state.endsWith('cancelled read'))).toHaveLength(3);
    expect((await states()).filter((state) => state.includes('pending'))).toHaveLength(1 + 4);
    expect((await states('bob')).filter((state) => state.includes('pending'))).toHaveLength(4);
  });

  test('by archiving counts as one who has read', async () => {
    await enqueue();
    expect(await mark('archived')).toEqual({ changed: 1, cancelled: 3 });
  });

  test('takes nothing back by marking it as unread', async () => {
    await enqueue();
    await mark('read');
    await mark('unread');
    expect((await states()).filter((state) => state.includes('cancelled'))).toHaveLength(3);
  });

  test('by acknowledging cancels everything and reads the item, for nobody else', async () => {
    const [item] = await enqueue({ to: [ada, bob] });
    const ids = [item?.id ?? ''];
    expect(await herald.acknowledge(database.pool, { recipientId: 'bob', ids })).toEqual({
      acknowledged: 1,
      cancelled: 4,
    });
    expect((await states()).filter((state) => state.includes('pending'))).toHaveLength(4);
    expect(await herald.acknowledge(database.pool, { recipientId: 'ada', target: 'disk' })).toEqual({
      acknowledged: 1,
      cancelled: 4,
    });
    expect(await herald.acknowledge(database.pool, { recipientId: 'ada', ids })).toEqual({
      acknowledged: 0,
      cancelled: 0,
    });
    expect(await herald.acknowledge(database.pool, { recipientId: 'eve', ids })).toEqual({
      acknowledged: 0,
      cancelled: 0,
    });
    const { rows } = await database.pool.query('SELECT count(*)::int AS n FROM herald.inbox WHERE read_at IS NOT NULL');
    expect(rows).toEqual([{ n: 2 }]);
  });

  test.each([
    [{ recipientId: '', target: 'x' }, /recipientId: must be a string/],
    [{ recipientId: 'ada' }, /must name one of/],
    [{ recipientId: 'ada', target: 'x', ids: [] }, /must name one of/],
    [{ recipientId: 'ada', notificationId: 'x' }, /not a message id/],
  ])('must say who and what: %j', async (by, message) => {
    await expect(herald.acknowledge(database.pool, by)).rejects.toThrow(message);
  });
});

describe('a worker', () => {
  test('sends the steps of somebody who does not react, and the guard of the row decides again', async () => {
    await enqueue();
    // As if the reading had been recorded while the step was being tried.
    await letTimePass();
    await database.pool.query('UPDATE herald.inbox SET read_at = now()');
    const deliveries = await start();
    await untilSettled();
    expect(await states()).toEqual([
      ' inbox sent ',
      '1 smtp cancelled seen',
      '2 smtp cancelled read',
      '2 sms cancelled read',
      '3 smtp sent ',
    ]);
    expect(deliveries).toHaveLength(1);
  });

  test('of the least rights may ask whether a step is needless', async () => {
    await applyRoles(database.url);
    const [item] = await enqueue();
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN; SET LOCAL ROLE herald_worker');
      const text = `SELECT herald.is_needless(m.notification_id, m.recipient_id, 'read') AS needless
        FROM herald.message m WHERE m.id = $1`;
      expect((await client.query(text, [item?.id])).rows).toEqual([{ needless: false }]);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });
});

describe('the explanation', () => {
  test('says what each step waits for, and what became of it', async () => {
    const [item, first] = await enqueue();
    const details = async (id: string | undefined) => {
      const found = await showMessage(database.pool, id ?? '');
      if (found === null) throw new Error('the message is gone');
      return found;
    };
    expect(explain(await details(first?.id), new Date()).summary).toMatch(
      /^Not tried yet: due at .*, unless the recipient has seen the notification by then, but no worker is connected/,
    );
    const timeline = async () =>
      explain(await details(item?.id), new Date())
        .timeline.map(({ what }) => what)
        .filter((what) => /step|ackn/.test(what));
    expect(await timeline()).toEqual([
      'step 1 by smtp is due, unless the recipient has seen the notification by then',
      'step 2 by smtp is due, unless the recipient has read the notification by then',
      'step 2 by sms is due, unless the recipient has read the notification by then',
      'step 3 by smtp is due, unless the recipient has acknowledged the notification by then',
    ]);
    await herald.acknowledge(database.pool, { recipientId: 'ada', target: 'disk' });
    expect(await timeline()).toContain('acknowledged by the recipient');
    expect(explain(await details(first?.id), new Date()).summary).toBe(
      'Cancelled before it was sent: the recipient has acknowledged the notification.',
    );
  });
});

describe('what remains', () => {
  test('nothing of an acknowledgement after a person was erased', async () => {
    await enqueue();
    await herald.acknowledge(database.pool, { recipientId: 'ada', target: 'disk' });
    await erase(database.pool, { recipientId: 'ada' });
    expect((await database.pool.query('SELECT FROM herald.acknowledgement')).rowCount).toBe(0);
  });

  test('what a step asks about stays as long as the step waits', async () => {
    await enqueue();
    await database.pool.query(`UPDATE herald.message SET created_at = created_at - interval '9 days',
      settled_at = settled_at - interval '9 days'`);
    await database.pool.query(`INSERT INTO herald.setting (key, value, updated_by) VALUES ('retention', '{"*": 7}', 'test')
      ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value`);
    await database.pool.query('SELECT herald.apply_retention()');
    expect(await messages()).toHaveLength(5);
    await herald.acknowledge(database.pool, { recipientId: 'ada', target: 'disk' });
    await database.pool.query(`UPDATE herald.message SET settled_at = settled_at - interval '9 days'`);
    await database.pool.query('SELECT herald.apply_retention()');
    expect(await messages()).toEqual([]);
    expect((await database.pool.query('SELECT FROM herald.acknowledgement')).rowCount).toBe(0);
    await database.pool.query(`DELETE FROM herald.setting WHERE key = 'retention'`);
  });
});

describe('the testing kit', () => {
  test('lets time pass', async () => {
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      await herald.enqueue(client, incident, { to: ada, labels: { what: 'x' }, targets: ['disk'] });
      expect(await drain(client)).toEqual([]);
      expect((await drain(client, { afterSeconds: 900 })).map(({ method }) => method)).toEqual(['smtp']);
      await client.query(`SELECT herald.mark('ada', 'read', target => 'disk')`);
      expect((await drain(client, { afterSeconds: 100_000 })).map(({ method }) => method)).toEqual(['smtp']);
      expect((await writtenMessages(client)).map(({ step, status }) => [step, status])).toEqual([
        [null, 'sent'],
        [1, 'sent'],
        [2, 'cancelled'],
        [2, 'cancelled'],
        [3, 'sent'],
      ]);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });
});
