/** Random sequences of results against what is promised about a message: copies, counts and waits are bounded. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/database/database.ts';
import { openAttempts } from '../../src/delivery/begin.ts';
import { type AttemptFacts, decideBy, isCounted, isFault, ownResult } from '../../src/delivery/decide.ts';
import { recordSettlements } from '../../src/delivery/settle.ts';
import type { DispatchResult } from '../../src/dispatch/dispatcher.ts';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';

const failure = { reason: 'deferred', detail: '' } as const;
const anyDelay = fc.oneof(
  fc.constant(undefined),
  fc.constantFrom(0, -5, 0.5, 30, 1e9, Number.NaN, Number.POSITIVE_INFINITY),
  fc.integer({ min: 0, max: 100_000 }),
);
const anyResult: fc.Arbitrary<DispatchResult> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<DispatchResult>({ outcome: 'sent' }) },
  { weight: 1, arbitrary: fc.constant<DispatchResult>({ outcome: 'failed', ...failure }) },
  { weight: 3, arbitrary: fc.constant<DispatchResult>({ outcome: 'unknown', ...failure }) },
  {
    weight: 8,
    arbitrary: fc
      .record({ retryAfterSeconds: anyDelay, kind: fc.constantFrom('counted', 'free', 'sender', 'method') })
      .map(
        ({ retryAfterSeconds, kind }): DispatchResult => ({
          outcome: 'retry',
          ...failure,
          ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
          ...(kind !== 'counted' && { countAttempt: false }),
          ...(kind === 'sender' && { senderFault: true }),
          ...(kind === 'method' && { pauseMethod: true }),
        }),
      ),
  },
);

describe('the rules of retry', () => {
  test('bound copies, counted attempts, and the age and the pace of what is not counted', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ result: anyResult, othersSent: fc.boolean() }), { minLength: 1, maxLength: 400 }),
        fc.integer({ min: 1, max: 20 }),
        (steps, maxAttempts) => {
          let facts: AttemptFacts = {
            counted: 0,
            unknowns: 0,
            uncounted: 0,
            uncountedSeconds: null,
            unknown: 'retry',
            maxAttempts,
            retryDelaysSeconds: [10, 100],
            random: 0.5,
          };
          let metFault = false;
          let now = 0;
          let uncountedSince: number | null = null;
          for (const { result: given, othersSent } of steps) {
            const result = ownResult(given, { faultIsOwn: metFault && othersSent });
            if (metFault && othersSent) expect(isFault(result)).toBe(false);
            const decision = decideBy(result, facts);
            expect(decision.delaySeconds).toBeGreaterThanOrEqual(0);
            expect(decision.delaySeconds).toBeLessThanOrEqual(86_400);
            const free = result.outcome !== 'sent' && !isCounted(result);
            if (!decision.counted) {
              expect(free).toBe(true);
              expect(facts.uncountedSeconds ?? 0).toBeLessThan(86_400);
              expect(decision.delaySeconds).toBeGreaterThanOrEqual(Math.min(2 ** facts.uncounted, 900));
            }
            if (decision.status !== 'pending') return;
            expect(facts.counted + Number(decision.counted)).toBeLessThan(maxAttempts);
            if (result.outcome === 'unknown') expect(decision.delaySeconds).toBeGreaterThanOrEqual(300);
            metFault ||= isFault(given);
            uncountedSince = free ? (uncountedSince ?? now) : null;
            now += decision.delaySeconds;
            facts = {
              ...facts,
              counted: facts.counted + Number(decision.counted),
              unknowns: facts.unknowns + Number(result.outcome === 'unknown'),
              uncounted: free ? facts.uncounted + 1 : 0,
              uncountedSeconds: uncountedSince === null ? null : now - uncountedSince,
            };
            expect(facts.unknowns).toBeLessThanOrEqual(2);
          }
        },
      ),
    );
  });

  test('end for a message that always meets the same uncounted answer', () => {
    for (const kind of [
      { pauseMethod: true },
      { countAttempt: false },
      { countAttempt: false, senderFault: true },
    ] as const) {
      let [counted, uncounted, tries, now, since] = [0, 0, 0, 0, null as number | null];
      for (;;) {
        const decision = decideBy(
          { outcome: 'retry', ...failure, ...kind },
          {
            ...{ counted, uncounted, unknowns: 0, unknown: 'retry', maxAttempts: 19, random: 1 },
            uncountedSeconds: since === null ? null : now - since,
            retryDelaysSeconds: [30, 21_600],
          },
        );
        tries += 1;
        if (decision.status === 'failed') break;
        since ??= now;
        now += decision.delaySeconds;
        uncounted += 1;
        counted += Number(decision.counted);
        expect(tries).toBeLessThan(300);
      }
      expect(now).toBeGreaterThan(86_400);
      expect(now).toBeLessThan(12 * 86_400);
    }
  });
});

describe('a message in the database', () => {
  const database = useDatabase({ templates: { greeting: greetingFile } });
  let own: Database;
  beforeAll(() => {
    const options = { connectionString: database.url, applicationName: 'model', maxConnections: 2, prepare: true };
    own = openDatabase(options, () => undefined);
  });
  afterAll(() => own.pool.end());

  const worker = 'w';
  const anyStep = fc.oneof({ weight: 4, arbitrary: anyResult }, { weight: 1, arbitrary: fc.constant('lost' as const) });

  /** Opens an attempt with a token of its own, in isolation, so that nothing is put off. */
  const open = async (id: string, token: string) => {
    await database.pool.query(
      `UPDATE herald.message SET next_attempt_at = now() WHERE id = $1 AND status = 'pending'`,
      [id],
    );
    return (await openAttempts([id], { database: own, worker, token, maxAttempts: 6, isolated: true }))[0];
  };

  test('is sent three times at most when the outcome is unknown, and never overflows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyStep, { minLength: 1, maxLength: 25 }),
        fc.boolean(),
        async (steps, nearTheLimit) => {
          const { rows } = await database.pool.query<{ id: string }>(
            `SELECT message_id AS id FROM herald.enqueue('greeting', '{"id": "ada", "email": "ada@example.com"}', '{"who": "Ada"}')`,
          );
          const id = rows[0]?.id ?? '';
          if (nearTheLimit)
            await database.pool.query(
              `UPDATE herald.message SET attempts = 2147483646, uncounted = 2147483646 WHERE id = $1`,
              [id],
            );
          for (const step of steps) {
            const token = crypto.randomUUID();
            let opening = await open(id, token);
            // A lost attempt is recorded first, and the message waits.
            if (opening?.disposition === 'not_due') opening = await open(id, token);
            if (opening?.disposition !== 'open') break;
            if (step === 'lost') continue;
            const { message } = opening;
            const result = ownResult(step, message);
            const decision = decideBy(result, { ...message, maxAttempts: 6, retryDelaysSeconds: [1], random: 0 });
            const settlement = { messageId: id, attempt: message.attempt, token, result, decision, durationMs: 1 };
            const [settled] = await recordSettlements([settlement], { database: own, worker });
            expect(settled?.status).toBe(decision.status);
            if (decision.status !== 'pending') break;
          }
          await open(id, crypto.randomUUID());
          const { rows: after } = await database.pool.query<Record<string, number>>(
            `SELECT m.counted, m.unknowns, (SELECT count(*)::int FROM herald.attempt a WHERE a.message_id = m.id AND a.outcome = 'unknown') AS seen,
             (SELECT count(*)::int FROM herald.attempt a WHERE a.message_id = m.id AND a.finished_at < a.started_at) AS backwards
           FROM herald.message m WHERE m.id = $1`,
            [id],
          );
          expect(after[0]?.['seen']).toBeLessThanOrEqual(3);
          expect(after[0]?.['counted']).toBeLessThanOrEqual(6);
          expect(after[0]?.['backwards']).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);
});
