/** Quiet hours move the later steps of a notification along, so that they keep their distance. */
import { beforeEach, expect, test } from 'vitest';
import * as v from 'valibot';
import { type Opening, openAttempts } from '../../src/delivery/begin.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { useDatabase } from '../support/use-database.ts';

const file = (more: string) => `---
title: "{{labels.what}}"
methods: [inbox]
then:
  - { after: 15m, unless: read, methods: [smtp] }
  - { after: 1h, unless: read, methods: [smtp] }
  - { after: 2h, unless: acknowledged, methods: [smtp] }
${more}---
Something happened.
`;
const database = useDatabase({
  templates: { incident: file(''), brief: file('ttlSeconds: 10800\n'), must: file('mandatory: true\n') },
});
const herald = createHerald();
beforeEach(() =>
  database.pool.query(
    `TRUNCATE herald.message, herald.notification, herald.inbox, herald.hours; DELETE FROM herald_queue.job`,
  ),
);

const minute = 60_000;
/** So many minutes from now, on the clock of UTC. */
const clock = (minutes: number) => new Date(Date.now() + minutes * minute).toISOString().slice(11, 16);
const openBetween = (from: number, to: number) =>
  herald.setQuietHours(database.pool, { windows: [{ from: clock(from), to: clock(to) }], timeZone: 'UTC' });

const enqueue = (name = 'incident', options: object = {}) =>
  herald.enqueue(database.pool, defineTemplate({ name, labels: v.object({ what: v.string() }) }), {
    autocommit: true,
    to: [
      { id: 'ada', email: 'ada@example.com' },
      { id: 'bob', email: 'bob@example.com', timeZone: 'Asia/Kathmandu' },
    ],
    labels: { what: 'Disk full' },
    ...options,
  });

interface Step {
  readonly id: string;
  readonly reason: string | null;
  readonly sendAt: Date;
  readonly next: Date;
  readonly expiresAt: Date | null;
  readonly job: Date;
  readonly createdAt: Date;
}

async function stepsOf(recipientId: string): Promise<Step[]> {
  const { rows } = await database.pool.query<Step>(
    `SELECT m.id, m.reason, m.send_at AS "sendAt", m.next_attempt_at AS next, m.expires_at AS "expiresAt",
       j.start_after AS job, m.created_at AS "createdAt"
     FROM herald.message m LEFT JOIN herald_queue.job j ON j.id = m.id
     WHERE m.recipient_id = $1 AND m.step IS NOT NULL ORDER BY m.step`,
    [recipientId],
  );
  return rows;
}
/** Minutes between the times of the steps, from enqueue on. */
const gaps = (steps: readonly Step[]) =>
  steps.map(({ next, createdAt }, i) =>
    Math.round((next.getTime() - (steps[i - 1]?.next ?? createdAt).getTime()) / minute),
  );

async function begin(id: string): Promise<Opening | undefined> {
  const { pool } = database;
  const run = async <Row>(statement: { readonly text: string }, values: readonly unknown[]) =>
    (await pool.query(statement.text, [...values])).rows as Row[];
  const options = { database: { pool, run }, worker: 'w', token: crypto.randomUUID(), maxAttempts: 3, isolated: false };
  return (await openAttempts([id], options))[0];
}

test('a step that waits moves all later ones by as long, each recipient on their own clock', async () => {
  await openBetween(120, 600);
  const answers = await enqueue();
  const ada = await stepsOf('ada');
  expect(gaps(ada).slice(1)).toEqual([45, 60]);
  expect(ada.map(({ reason }) => reason)).toEqual(['quiet_hours', null, null]);
  // 5:45 ahead: their window ended before this one began, and begins again after 24 hours.
  const bob = await stepsOf('bob');
  expect(gaps(bob).slice(1)).toEqual([45, 60]);
  expect(bob[0]?.next.getTime()).not.toBe(ada[0]?.next.getTime());
  for (const { job, next } of [...ada, ...bob]) expect(job).toEqual(next);
  const told = new Map(answers.map(({ id, reason }) => [id, reason]));
  for (const { id, reason } of [...ada, ...bob]) expect(told.get(id)).toBe(reason);
});

test('a step that falls into the next quiet hours waits for their end as well', async () => {
  await openBetween(120, 150);
  await enqueue();
  const [first, second, third] = await stepsOf('ada');
  expect(second?.reason).toBe('quiet_hours');
  expect((second?.next.getTime() ?? 0) - (first?.next.getTime() ?? 0)).toBe(24 * 60 * minute);
  expect((third?.next.getTime() ?? 0) - (second?.next.getTime() ?? 0)).toBe(24 * 60 * minute);
});

test('steps outside of quiet hours, and those of a mandatory template, keep their times', async () => {
  await openBetween(-60, 600);
  await enqueue();
  expect(gaps(await stepsOf('ada'))).toEqual([15, 45, 60]);
  await database.pool.query('TRUNCATE herald.message');
  await openBetween(120, 600);
  await enqueue('must');
  expect(gaps(await stepsOf('ada'))).toEqual([15, 45, 60]);
});

test('a time to live moves along, and a fixed expiry is not passed', async () => {
  await openBetween(120, 600);
  await enqueue('brief');
  const steps = await stepsOf('ada');
  expect(gaps(steps).slice(1)).toEqual([45, 60]);
  for (const { sendAt, expiresAt } of steps) expect((expiresAt?.getTime() ?? 0) - sendAt.getTime()).toBe(180 * minute);
  await database.pool.query('TRUNCATE herald.message');
  const expiresAt = new Date(Date.now() + 150 * minute);
  await enqueue('incident', { expiresAt });
  const bounded = await stepsOf('ada');
  expect(bounded.map(({ sendAt, createdAt }) => (sendAt.getTime() - createdAt.getTime()) / minute)).toEqual([
    15, 60, 120,
  ]);
  expect(bounded.map(({ reason }) => reason)).toEqual(['quiet_hours', 'quiet_hours', null]);
});

test('hours that are set later move the later steps when a step is due, once', async () => {
  await enqueue();
  const before = await stepsOf('ada');
  await openBetween(120, 600);
  // As if it were a quarter of an hour later.
  await database.pool.query(
    `UPDATE herald.message SET created_at = created_at - interval '15 minutes', send_at = send_at - interval '15 minutes',
       next_attempt_at = next_attempt_at - interval '15 minutes' WHERE step IS NOT NULL`,
  );
  expect(await begin(before[0]?.id ?? '')).toMatchObject({ disposition: 'not_due' });
  const after = await stepsOf('ada');
  expect(after[0]?.reason).toBe('quiet_hours');
  expect(gaps(after).slice(1)).toEqual([45, 60]);
  expect(await begin(before[0]?.id ?? '')).toMatchObject({ disposition: 'not_due' });
  expect(await stepsOf('ada')).toEqual(after);
});
