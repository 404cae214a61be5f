/** Takes back attempts that were opened and not used: their messages are inhibited, wait, or are held. */
import { setTimeout as sleep } from 'node:timers/promises';
import { redactKnown } from '../../dispatch/redact.ts';
import type { LeasedJob, RequeuedJob } from '../../queue/queue.ts';
import { storable } from '../../printable.ts';
import type { Reason } from '../../vocabulary.ts';
import type { Attempt } from '../attempt.ts';
import { releaseJobs } from '../jobs/release.ts';
import { maxInteger } from '../limits.ts';
import type { GuardServices } from '../services.ts';

/** An attempt that is taken back. `guard_failed`: its message waits, and is held at last. Otherwise it is inhibited. */
export interface Withdrawal {
  readonly attempt: Attempt;
  readonly reason: Extract<Reason, 'guard' | 'suppressed' | 'invalid_address' | 'guard_failed'>;
  readonly detail: string;
}

/** First wait of a message whose guard gave no answer, in seconds; each further one is twice as long. */
const firstDelaySeconds = 5;
/** Longest wait, in seconds. */
const maxDelaySeconds = 300;
/** A message whose guard has not answered for so long is held for an operator, in seconds. */
const holdAfterSeconds = 3600;
/** Longest wait between two tries while the database is away, in milliseconds. */
const maxWaitMs = 1000;
/** Tries; after that the lease runs out, and another worker takes the message over. */
const maxTries = 30;
/** Characters of a detail. */
const maxDetail = 500;

// The row says how often in a row there was no answer: its reason is still that of the last time. The number of the
// attempt is free again, because nothing was dispatched under it.
const withdrawText = `
WITH input AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS i (id uuid, token uuid, reason text, detail text,
    random double precision)
), decided AS MATERIALIZED (
  SELECT i.*, CASE
      WHEN i.reason <> 'guard_failed' THEN 'inhibited'
      WHEN a.again AND m.uncounted_since <= now() - interval '${holdAfterSeconds} seconds' THEN 'held'
      ELSE 'pending' END AS status,
    CASE WHEN a.again THEN least(m.uncounted::bigint + 1, ${maxInteger}) ELSE 1 END AS uncounted,
    CASE WHEN a.again THEN m.uncounted_since ELSE now() END AS since
  FROM input i JOIN herald.message m ON m.id = i.id AND m.status = 'sending' AND m.lease_token = i.token
  CROSS JOIN LATERAL (SELECT coalesce(m.reason = 'guard_failed', false) AND m.uncounted_since IS NOT NULL AS again) a
)
UPDATE herald.message m
SET status = d.status, reason = d.reason, detail = d.detail, lease_token = NULL, attempts = m.attempts - 1,
  uncounted = CASE WHEN d.status = 'inhibited' THEN 0 ELSE d.uncounted END,
  uncounted_since = CASE WHEN d.status <> 'inhibited' THEN d.since END,
  next_attempt_at = CASE d.status
    WHEN 'pending' THEN least(
      now() + d.random * least(${firstDelaySeconds} * 2 ^ least(d.uncounted - 1, 20), ${maxDelaySeconds})
        * interval '1 second',
      CASE WHEN m.expires_at IS NOT NULL THEN greatest(m.expires_at, now()) END)
    WHEN 'held' THEN 'infinity'
    ELSE m.next_attempt_at END,
  settled_at = CASE WHEN d.status = 'inhibited' THEN now() END,
  secrets = CASE WHEN d.status <> 'inhibited' THEN m.secrets END
FROM decided d
WHERE m.id = d.id AND m.status = 'sending' AND m.lease_token = d.token
RETURNING m.id, m.status, m.reason, m.priority, m.next_attempt_at AS "nextAttemptAt"`;

interface Withdrawn {
  readonly id: string;
  readonly status: 'inhibited' | 'pending' | 'held';
  readonly reason: string;
  readonly priority: number;
  readonly nextAttemptAt: Date;
}

/** Records the withdrawals, and requeues or removes their jobs. Never rejects. */
export async function withdraw(withdrawals: readonly Withdrawal[], services: GuardServices): Promise<void> {
  const jobs = new Map(withdrawals.map(({ attempt }) => [attempt.job.id, attempt.job]));
  const rows = await record(withdrawals, services);
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const { attempt } of withdrawals) {
    const row = byId.get(attempt.job.id);
    attempt.telemetry.withdrawn(row?.status ?? 'lost');
    if (row !== undefined && row.status !== 'pending') services.telemetry.stopped(row.status, row.reason);
  }
  await release(rows, jobs, services);
}

async function record(withdrawals: readonly Withdrawal[], services: GuardServices): Promise<readonly Withdrawn[]> {
  const { database, errors, method } = services;
  const values = [JSON.stringify(withdrawals.map(rowOf))];
  for (let tries = 1; ; tries += 1)
    try {
      return await database.run<Withdrawn>({ name: 'herald.withdraw', text: withdrawText }, values);
    } catch (error) {
      errors.report(error, 'cannot record what a guard said', { method });
      if (tries >= maxTries) return [];
      await sleep(Math.min(100 * 2 ** tries, maxWaitMs));
    }
}

/** A row that is not there has another lease by now. */
async function release(
  rows: readonly Withdrawn[],
  jobs: ReadonlyMap<string, LeasedJob>,
  services: GuardServices,
): Promise<void> {
  const ended: LeasedJob[] = [];
  const again: RequeuedJob[] = [];
  for (const { id, status, priority, nextAttemptAt } of rows) {
    const job = jobs.get(id);
    if (job === undefined) continue;
    if (status === 'pending') again.push({ ...job, priority, startAfter: nextAttemptAt });
    else ended.push(job);
  }
  await releaseJobs({ ended, again }, services);
}

function rowOf({ attempt, reason, detail }: Withdrawal) {
  const { message, token } = attempt;
  // Spreads what waits for one function by 20 % either way.
  const random = 0.8 + 0.4 * Math.random();
  return { id: message.id, token, reason, detail: withoutPerson(detail, message.recipient), random };
}

/** A function may return anything: an address, for example. */
function withoutPerson(detail: string, { email, name }: Attempt['message']['recipient']): string {
  const texts = [email, name].filter((text) => text !== undefined);
  const line = storable(detail, detail.length).replace(/[^\s<>"']+@[^\s<>"']+/g, '[...]');
  return storable(redactKnown(line, { secrets: [], texts }), maxDetail);
}
