/** `why` is a total function: whatever state a message, its method and the workers are in, no line of it is untrue. */
import { describe, expect, test } from 'vitest';
import { retryMessages } from '../../src/operate/message-actions.ts';
import type { AttemptRecord } from '../../src/operate/attempt-records.ts';
import type { MessageDetails } from '../../src/operate/messages.ts';
import { showMessage } from '../../src/operate/messages.ts';
import { explain } from '../../src/operate/why.ts';
import type { RegisteredWorker } from '../../src/operate/workers.ts';
import { type MessageStatus, messageStatuses, type Reason, reasons } from '../../src/vocabulary.ts';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const now = new Date('2026-11-24T10:00:00Z');
const [earlier, later] = [new Date(now.getTime() - 60_000), new Date(now.getTime() + 60_000)];
const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const endpointId = '0199f3a0-7b1c-4000-8000-00000000002a';
const settled: readonly MessageStatus[] = ['sent', 'failed', 'inhibited', 'cancelled', 'expired'];

const attempt = (outcome: AttemptRecord['outcome']): AttemptRecord => ({
  number: 1,
  worker: 'w1',
  startedAt: earlier,
  finishedAt: earlier,
  outcome,
  reason: outcome === 'sent' ? null : 'deferred',
  detail: null,
  replyCode: null,
  replyEnhanced: null,
  replyText: null,
  receiverId: null,
  counted: true,
});

function worker(name: string, methods: readonly string[], alive = true): RegisteredWorker {
  return { name, methods, alive, version: '1', startedAt: earlier, seenAt: earlier, notified: true, errors: [] };
}

/** Everything that a line of `why` may depend on. */
interface State {
  readonly status: MessageStatus;
  readonly reason: Reason | null;
  readonly paused: keyof typeof pauses;
  readonly workers: keyof typeof workerStates;
  readonly attempts: keyof typeof attemptStates;
  readonly due: boolean;
  readonly wiped: boolean;
}

const pauses = {
  no: null,
  'by an operator': { method: 'smtp', kind: 'operator', reason: null, detail: 'relay moves', since: earlier },
  'by an operator, everything': { method: '*', kind: 'operator', reason: null, detail: null, since: earlier },
  'after a fault': { method: 'smtp', kind: 'fault', reason: 'tls', detail: 'no TLS', since: earlier },
} as const;

const workerStates = {
  none: { workers: 0, registeredWorkers: [] },
  'none, and a dead one': { workers: 0, registeredWorkers: [worker('w1', ['smtp'], false)] },
  silent: { workers: 2, registeredWorkers: [worker('w1', ['smtp'], false)] },
  'of another method': { workers: 1, registeredWorkers: [worker('w2', ['webhook'])] },
  serving: { workers: 1, registeredWorkers: [worker('w1', ['smtp'])] },
  'serving behind a pooler': { workers: 0, registeredWorkers: [worker('w1', ['smtp'])] },
} as const;
const serving: readonly string[] = ['serving', 'serving behind a pooler'];

const attemptStates = {
  none: [],
  refused: [attempt('retry')],
  uncertain: [attempt('unknown')],
  accepted: [attempt('sent')],
} as const;

const quiet = { until: later, opensAt: later, localTime: '08:00', zone: 'Europe/Berlin', scope: 'tenant' } as const;

function* states(): Generator<State> {
  for (const status of messageStatuses)
    for (const reason of [null, ...reasons])
      for (const paused of Object.keys(pauses) as State['paused'][])
        for (const workers of Object.keys(workerStates) as State['workers'][])
          for (const attempts of Object.keys(attemptStates) as State['attempts'][])
            for (const due of [true, false])
              for (const wiped of [true, false]) yield { status, reason, paused, workers, attempts, due, wiped };
}

function detailsOf({ status, reason, paused, workers, attempts, due, wiped }: State): MessageDetails {
  const attemptRecords = attemptStates[attempts];
  return {
    ...{ id, template: 'greeting', version: 1, method: 'smtp', recipientId: 'user 7', status, reason },
    ...{ attempts: attemptRecords.length, createdAt: earlier, counted: 0, maxAttempts: null, unknown: 'retry' },
    nextAttemptAt: status === 'pending' ? (due ? earlier : later) : null,
    settledAt: settled.includes(status) ? now : null,
    ...{ notificationId: id, group: 'Greetings', recipient: { id: 'user 7', email: 'ada@example.com' } },
    ...{ labels: {}, secretLabels: [], data: null, targets: [], dedupeKey: null, tenant: null, groupKey: null },
    ...{ createdBy: 'app', sendAt: null, expiresAt: status === 'expired' ? earlier : null, detail: null },
    leasedBy: status === 'sending' ? 'w1' : null,
    attemptStartedAt: status === 'sending' ? earlier : null,
    ...{
      attemptRecords,
      job: { state: 'created', startAfter: earlier },
      operatorActions: [],
      putBacks: [],
      reports: [],
      item: null,
    },
    ...{ step: null, unless: null, steps: [], acknowledgedAt: null },
    ...{ secretsWiped: wiped && settled.includes(status), endpointId, readOnly: false },
    ...workerStates[workers],
    paused: pauses[paused],
    quietHours: status === 'pending' && reason === 'quiet_hours' && !due ? quiet : null,
  };
}

/** What is wrong with the lines about a state; empty if nothing is. */
function untruths(state: State): string[] {
  const { summary, remedy, timeline } = explain(detailsOf(state), now);
  const { status, paused, workers, attempts, due } = state;
  const lines = [summary, remedy ?? '', ...timeline.map(({ what }) => what)].join('\n');
  const waits = status === 'pending';
  const says = (claim: string, text: RegExp, isTrue: boolean, where = `${summary}\n${remedy ?? ''}`) =>
    text.test(where) === isTrue ? [] : [`${claim} should ${isTrue ? '' : 'not '}be said: ${where}`];
  const never = (claim: string, text: RegExp, mayBe: boolean) => (mayBe ? [] : says(claim, text, false));
  const uncertain = attempts === 'uncertain';
  return [
    ...(/undefined|null|NaN|\[object|Invalid|\?|  /.test(lines) ? [`not for people: ${lines}`] : []),
    ...(/^[A-Z].*\.$/s.test(summary) ? [] : [`not a sentence: ${summary}`]),
    ...says(
      'until when quiet hours last',
      /waits until 08:00 Europe\/Berlin .*, when the tenant's quiet hours end/,
      waits && !due && state.reason === 'quiet_hours',
    ),
    ...says('the pause', /paused since/, waits && paused !== 'no'),
    ...says('how to resume', /pg-herald resume/, waits && paused !== 'no'),
    ...says('that a worker takes it', /takes it as soon/, waits && due && paused === 'no' && serving.includes(workers)),
    ...says(
      'that no worker delivers it',
      /no connected worker delivers smtp,?/,
      (waits && paused === 'no' && workers === 'of another method') ||
        (status === 'sending' && workers === 'of another method'),
      summary,
    ),
    ...never(
      'that no worker is connected',
      /no worker is connected/,
      ['none', 'none, and a dead one'].includes(workers),
    ),
    ...never('that workers are silent', /not reported|reports either/, workers === 'silent'),
    ...never('a retry', /pg-herald retry/, ['failed', 'expired', 'inhibited'].includes(status) && !state.wiped),
    ...never('a release', /pg-herald (release|discard)/, status === 'held'),
    ...never('a cancel', /pg-herald cancel/, waits),
    ...never('that it was not sent', /Nothing was sent|before it was (sent|tried)/, attempts === 'none'),
    ...says('that it may have arrived', /may have been accepted|unknown whether/, uncertain || isHeldUnknown(state)),
    ...(['sent', 'cancelled'].includes(status) && remedy !== null ? [`nothing is to be done: ${remedy}`] : []),
    ...(['failed', 'expired', 'inhibited', 'held'].includes(status) && remedy === null ? ['no remedy'] : []),
  ].map((fault) => `${JSON.stringify(state)}: ${fault}`);
}

function isHeldUnknown({ status, reason }: State): boolean {
  const unsent: readonly (Reason | null)[] = [null, 'endpoint_disabled', 'gone', 'guard_failed'];
  return status === 'held' && !unsent.includes(reason);
}

describe('why', () => {
  test.each(messageStatuses)('says nothing untrue about a message that is %s, in any combination', (status) => {
    const found = [...states()].filter((state) => state.status === status).flatMap(untruths);
    expect(found.slice(0, 5)).toEqual([]);
  });

  test('says of an attempt that was accepted which one it was, not which was the last', () => {
    const state = { status: 'sent', reason: null, paused: 'no', workers: 'serving', due: true, wiped: false } as const;
    const details = detailsOf({ ...state, attempts: 'accepted' });
    expect(explain({ ...details, attempts: 3 }, now).summary).toMatch(/accepted it at attempt 1\./);
  });

  test('does not crash on times that the database calls infinite', () => {
    const infinite = Number.POSITIVE_INFINITY as unknown as Date;
    for (const state of states()) {
      if (state.paused !== 'no' || state.workers !== 'serving') continue;
      const details = { ...detailsOf(state), sendAt: infinite, expiresAt: infinite, nextAttemptAt: infinite };
      expect(explain(details, now).timeline.length).toBeGreaterThan(0);
    }
  });

  test('says that a read-only database is what a message waits for', () => {
    const state = { status: 'pending', reason: null, paused: 'no', workers: 'serving', attempts: 'none' } as const;
    const details = detailsOf({ ...state, due: true, wiped: false });
    expect(explain({ ...details, readOnly: true }, now)).toMatchObject({
      summary: expect.stringContaining('the database is read-only'),
      remedy: expect.stringContaining('Connect to the primary'),
    });
  });

  test('tells why a message waits for a later time, and not why it waited before', () => {
    const state = { status: 'pending', reason: null, paused: 'no', workers: 'serving', attempts: 'none' } as const;
    const detail = 'waiting: the rate is limited';
    const at = (due: boolean) => explain({ ...detailsOf({ ...state, due, wiped: false }), detail }, now).summary;
    expect(at(false)).toMatch(/^Not tried yet: due at .* \(waiting: the rate is limited\)\.$/);
    expect(at(true)).not.toContain('limited');
  });

  test('names the sender whose fault put a message back', () => {
    const state = {
      status: 'pending',
      reason: 'refused',
      paused: 'no',
      workers: 'serving',
      attempts: 'refused',
    } as const;
    const details = {
      ...detailsOf({ ...state, due: true, wiped: false }),
      putBacks: [{ sender: 'main', at: earlier }],
    };
    expect(explain(details, now).timeline.map(({ what }) => what)).toContain('put back: the sender main was at fault');
  });

  test('tells by which evidence a sender was found at fault', () => {
    const state = { status: 'pending', reason: 'refused', paused: 'after a fault', workers: 'serving' } as const;
    const evidence = '3 messages in a row were refused alike, so the sender is at fault: RCPT TO';
    const details = detailsOf({ ...state, attempts: 'refused', due: true, wiped: false });
    const attemptRecords = details.attemptRecords.map((each) => ({ ...each, detail: evidence, counted: false }));
    const paused = { ...pauses['after a fault'], reason: 'refused', detail: evidence };
    const { summary, timeline } = explain({ ...details, attemptRecords, paused }, now);
    expect(summary).toContain(`(after a fault, refused, ${evidence})`);
    expect(timeline.map(({ what }) => what)).toContainEqual(expect.stringContaining(`${evidence}; not counted`));
  });
});

describe('a remedy of why', () => {
  const database = useDatabase({ templates: { greeting: greetingFile } });

  test('works where it is told: a message that is said to be retried is retried', { timeout: 60_000 }, async () => {
    const { rows } = await database.pool.query<{ id: string; status: MessageStatus }>(
      `WITH enqueued AS MATERIALIZED (
         SELECT e.message_id FROM unnest($1::text[]) WITH ORDINALITY s (status, n)
         CROSS JOIN LATERAL herald.enqueue('greeting', '{"id": "ada", "email": "ada@example.com"}', labels => '{"who": "Ada"}') e)
       SELECT message_id AS id FROM enqueued`,
      [messageStatuses.flatMap(() => reasons)],
    );
    const states = messageStatuses.flatMap((status) => reasons.map((reason) => ({ status, reason })));
    await database.pool.query(
      `UPDATE herald.message m SET status = s.status, reason = s.reason,
         settled_at = CASE WHEN s.status IN ('sent', 'failed', 'inhibited', 'cancelled', 'expired') THEN now() END
       FROM unnest($1::uuid[], $2::text[], $3::text[]) s (id, status, reason) WHERE m.id = s.id`,
      [rows.map((row) => row.id), states.map((s) => s.status), states.map((s) => s.reason)],
    );
    for (const row of rows) {
      const message = await showMessage(database.pool, row.id);
      const { remedy } = explain(message ?? expect.fail('no message'), new Date());
      const promised = remedy?.includes(`pg-herald retry ${row.id}`) || remedy?.includes(`pg-herald release ${row.id}`);
      const [answer] = await retryMessages(database.pool, [row.id]);
      if (promised) expect([remedy, answer]).toEqual([remedy, expect.objectContaining({ retried: true })]);
    }
  });
});
