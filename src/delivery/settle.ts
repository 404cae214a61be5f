/**
 * The last statement of a delivery: records attempts and moves their messages, a batch at a time. A batch that cannot
 * be written is tried again for as long as this worker lives: a lost result would be a second copy.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createBatcher } from '../batcher.ts';
import type { Database } from '../database/database.ts';
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import type { LeasedJob, Queue, RequeuedJob } from '../queue/queue.ts';
import { storable } from '../printable.ts';
import type { Logger } from '../vocabulary.ts';
import { isCounted, isFault } from './decide.ts';
import { releaseJobs } from './jobs/release.ts';
import { maxInteger } from './limits.ts';
import { logAttempt } from './telemetry.ts';
import type { Attempt, Decision } from './attempt.ts';
import type { DeliveryServices, ErrorReporter, Removals, Requeue, Settlement, Settlements } from './services.ts';

/** What the database did with it. `lost`: another worker has the lease, nothing was overwritten. */
export type Settled = Moved | { readonly messageId: string; readonly status: 'lost' };

interface Moved {
  readonly messageId: string;
  readonly status: string;
  readonly priority: number;
  /** Null unless it is pending. */
  readonly nextAttemptAt: Date | null;
  /** When the attempt began, in milliseconds since the epoch by the database's clock. */
  readonly startedAtMs: number;
}

interface SettlementServices {
  readonly method: string;
  readonly worker: string;
  readonly database: Database;
  readonly queue: Pick<Queue, 'remove'>;
  readonly requeue: Requeue;
  readonly removals: Removals;
  readonly logger: Logger;
  readonly errors: ErrorReporter;
}

const maxBatch = 500;
const sentTimeMs = 2000;
/** Longest wait between two tries: results that come late are taken for lost by the worker that takes over. */
const maxWaitMs = 1000;

// The retry is due no later than the expiry, so that an expired message is settled when it expires and not at its next
// retry. (least() and greatest() ignore nulls: hence the CASE.)
const settleText = `
WITH input AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS i (id uuid, number integer, token uuid, outcome text, reason text,
    detail text, code text, enhanced text, reply text, receiver text, status text, delay double precision,
    counted boolean, free boolean, fault boolean, ms double precision)
), moved AS (
  UPDATE herald.message m
  SET status = i.status, reason = i.reason, detail = i.detail, crashes = 0, lease_token = NULL,
    counted = m.counted + (i.counted AND m.counted < ${maxInteger})::int,
    unknowns = m.unknowns + (i.outcome = 'unknown' AND m.unknowns < ${maxInteger})::int,
    uncounted = CASE WHEN i.free THEN least(m.uncounted::bigint + 1, ${maxInteger}) ELSE 0 END,
    uncounted_since = CASE WHEN i.free THEN coalesce(m.uncounted_since, now()) END,
    fault_at = CASE WHEN i.fault THEN clock_timestamp() ELSE m.fault_at END,
    next_attempt_at = CASE i.status
      WHEN 'pending' THEN least(now() + i.delay * interval '1 second',
        CASE WHEN m.expires_at IS NOT NULL THEN greatest(m.expires_at, now()) END)
      WHEN 'held' THEN 'infinity'
      ELSE m.next_attempt_at END,
    settled_at = CASE WHEN i.status IN ('sent', 'failed') THEN now() END,
    secrets = CASE WHEN i.status IN ('pending', 'held') THEN m.secrets END
  FROM input i
  WHERE m.id = i.id AND m.status = 'sending' AND m.lease_token = i.token
  RETURNING m.id, m.status, m.priority, m.next_attempt_at, m.attempt_started_at
), recorded AS (
  INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, detail, reply_code,
    reply_enhanced, reply_text, receiver_id, counted)
  SELECT i.id, i.number, $2, clock_timestamp() - i.ms * interval '1 millisecond', clock_timestamp(), i.outcome,
    i.reason, i.detail, i.code, i.enhanced, i.reply, i.receiver, i.counted
  FROM input i JOIN moved USING (id)
  ON CONFLICT DO NOTHING
)
SELECT id AS "messageId", status, priority, CASE WHEN status = 'pending' THEN next_attempt_at END AS "nextAttemptAt",
  1000 * extract(epoch FROM attempt_started_at)::float8 AS "startedAtMs"
FROM moved`;

const lastSentText = `
UPDATE herald.method SET last_sent_at = greatest(last_sent_at, $2) WHERE name = $1`;

// A worker that lost its lease reports a success: the attempt was recorded as unknown, and is known now. The message
// becomes sent unless another worker is dispatching it at this moment or it is settled otherwise.
const lateText = `
WITH known AS (
  UPDATE herald.attempt a
  SET outcome = 'sent', reason = NULL, detail = 'recorded late: the worker had lost its lease', finished_at = now(),
    reply_code = i.code, reply_enhanced = i.enhanced, reply_text = i.reply, receiver_id = i.receiver
  FROM jsonb_to_recordset($1::jsonb) AS i
    (id uuid, number integer, code text, enhanced text, reply text, receiver text)
  WHERE a.message_id = i.id AND a.number = i.number AND a.outcome = 'unknown'
  RETURNING a.message_id
)
UPDATE herald.message m SET status = 'sent', reason = NULL, detail = NULL, settled_at = now(), secrets = NULL
FROM known k WHERE m.id = k.message_id AND m.status IN ('pending', 'held', 'failed')`;

/** Settles an attempt. Resolves when it is in the database, or has been given up. */
export async function settle(
  {
    attempt,
    result,
    decision,
  }: { readonly attempt: Attempt; readonly result: DispatchResult; readonly decision: Decision },
  services: DeliveryServices,
): Promise<void> {
  const { message, token, job, telemetry, durationMs } = attempt;
  await services.settlements.add(
    { messageId: message.id, attempt: message.attempt, token, result, decision, durationMs },
    job,
  );
  telemetry.end(result, decision);
  logAttempt(services, attempt, { result, decision });
}

/** Records the results of attempts. Safe to repeat: a settlement that was recorded is not recorded again. */
export async function recordSettlements(
  settlements: readonly Settlement[],
  { database, worker }: { readonly database: Database; readonly worker: string },
): Promise<Settled[]> {
  const rows = await database.run<Moved>({ name: 'herald.settle', text: settleText }, [
    JSON.stringify(settlements.map(rowOf)),
    worker,
  ]);
  const moved = new Map(rows.map((row) => [row.messageId, row]));
  const late = settlements.filter((s) => !moved.has(s.messageId) && s.result.outcome === 'sent');
  if (late.length > 0) await database.pool.query(lateText, [JSON.stringify(late.map(rowOf))]);
  return settlements.map((s) => moved.get(s.messageId) ?? { messageId: s.messageId, status: 'lost' });
}

interface Entry {
  readonly settlement: Settlement;
  readonly job: LeasedJob;
}

/** Creates the batched writer of one method's results. */
export function createSettlements(services: SettlementServices): Settlements {
  let abandoned = false;

  async function write(batch: readonly Entry[]): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        const settled = await recordSettlements(
          batch.map((entry) => entry.settlement),
          services,
        );
        noteSent(settled);
        return await releaseSettled(batch, settled, services);
      } catch (error) {
        if (abandoned) return logUnrecorded(services.logger, batch);
        services.errors.report(error, 'cannot record results, trying again', { method: services.method });
        await sleep(Math.min(100 * 2 ** failures, maxWaitMs));
      }
    }
  }

  /**
   * Whether others pass is asked when a message meets a fault for the second time: a few seconds late is soon enough.
   */
  const sentTimes = createBatcher<number>({
    gatherMs: sentTimeMs,
    write: (times) =>
      services.database.pool
        .query(lastSentText, [services.method, new Date(Math.max(...times))])
        .then(() => undefined)
        .catch((error: unknown) => services.errors.report(error, 'cannot record when a message was last sent')),
  });
  const noteSent = (settled: readonly Settled[]) => {
    const latest = settled.reduce(
      (ms, s) => (s.status === 'sent' && 'startedAtMs' in s ? Math.max(ms, s.startedAtMs) : ms),
      0,
    );
    if (latest > 0) void sentTimes.add([latest]);
  };

  const batcher = createBatcher<Entry>({ write, maxItems: maxBatch });
  return {
    flush: () => sentTimes.flush(),
    add: (settlement, job) => batcher.add([{ settlement, job }]),
    abandon() {
      abandoned = true;
    },
  };
}

/** After the message, never before: a job that outlives its message's settlement is harmless, the reverse is a loss. */
async function releaseSettled(
  batch: readonly Entry[],
  settled: readonly Settled[],
  services: SettlementServices,
): Promise<void> {
  const sent: LeasedJob[] = [];
  // An operator may retry these at once, and a job that is still there would then replace the one they need.
  const ended: LeasedJob[] = [];
  const again: RequeuedJob[] = [];
  batch.forEach(({ job }, index) => {
    const state = settled[index];
    if (state === undefined || state.status === 'lost') return;
    if ('nextAttemptAt' in state && state.nextAttemptAt !== null)
      again.push({ ...job, priority: state.priority, startAfter: state.nextAttemptAt });
    else (state.status === 'sent' ? sent : ended).push(job);
  });
  services.removals.add(sent);
  await releaseJobs({ ended, again }, services);
}

function logUnrecorded(logger: Logger, batch: readonly Entry[]): void {
  for (const { settlement } of batch)
    logger.error(
      {
        messageId: settlement.messageId,
        attempt: settlement.attempt,
        outcome: settlement.result.outcome,
        replyCode: settlement.result.reply?.code,
      },
      'delivered but not recorded: the database was away until this worker had to stop',
    );
}

/** JSON leaves out what is undefined, and the table has null there. */
function rowOf(settlement: Settlement) {
  const { result, decision } = settlement;
  return {
    id: settlement.messageId,
    number: settlement.attempt,
    token: settlement.token,
    outcome: result.outcome,
    reason: result.outcome === 'sent' ? undefined : result.reason,
    detail: storableText(result.detail, 500),
    code: storableText(result.reply?.code, 20),
    enhanced: storableText(result.reply?.enhanced, 20),
    reply: storableText(result.reply?.text, 512),
    receiver: storableText(result.reply?.receiverId, 200),
    status: decision.status,
    delay: decision.delaySeconds,
    counted: decision.counted,
    free: result.outcome !== 'sent' && !isCounted(result),
    fault: isFault(result),
    ms: settlement.durationMs,
  };
}

/** A dispatcher in JavaScript may return anything. */
function storableText(text: string | undefined, limit: number): string | undefined {
  return typeof text === 'string' ? storable(text, limit) : undefined;
}
