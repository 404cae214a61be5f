/**
 * The senders that are paused because they are at fault, for all replicas: rows of herald.sender, cached for a second.
 */
import { codeOf } from '../../errors.ts';
import type { Reason } from '../../vocabulary.ts';
import type { DispatcherServices, FailedDispatch } from '../dispatcher.ts';
import { claimProbe, firstProbeSeconds, pauseForFault, resumeAfterProbe } from '../fault-pause.ts';

/** Why a sender is paused, and until when. */
export interface SenderPause {
  readonly reason: Reason;
  readonly detail: string;
  /** Seconds until the next probe is due; 0 or less: it is due now. */
  readonly probeSeconds: number;
}

/** The paused senders of one method. */
export interface SenderPauses {
  /**
   * The paused senders by name, at most a second old. Returns the last known state while the database is unavailable.
   */
  current(): Promise<ReadonlyMap<string, SenderPause>>;
  /** Pauses a sender. In this process it counts as paused at once, even if the database cannot be reached. */
  pause(sender: string, fault: FailedDispatch): Promise<void>;
  /**
   * @returns whether this process may send this message as the probe that is due. Nothing else is sent until that is
   * answered. A message that met a fault before is not the probe while another one waits.
   */
  claimProbe(sender: string, messageId: string): Promise<boolean>;
  /** @returns whether the sender accepted other messages since this one met a fault. */
  workedSinceFault(sender: string, messageId: string): Promise<boolean>;
  /** The server of a sender can be reached again: its probe is due now, that of the method too, and what waits. */
  probeSoon(sender: string): Promise<void>;
  /** Ends a pause after a probe that worked. */
  resume(sender: string): Promise<void>;
}

const cacheMs = 1000;

const readStatement = `
SELECT name, pause_reason AS reason, pause_detail AS detail,
  extract(epoch FROM probe_at - now())::float8 AS "probeSeconds"
FROM herald.sender WHERE method = $1 AND paused_at IS NOT NULL`;

// Another one that the same senders would take.
const mayProbeStatement = `
SELECT m.fault_at IS NULL OR NOT EXISTS (
  SELECT FROM herald.message o JOIN herald.template ot ON ot.name = o.template
  WHERE o.method = m.method AND o.settled_at IS NULL AND o.status = 'pending' AND o.fault_at IS NULL
    AND o.next_attempt_at < now() + interval '1 minute'
    AND o.tenant IS NOT DISTINCT FROM m.tenant AND ot.sender IS NOT DISTINCT FROM t.sender) AS may
FROM herald.message m JOIN herald.template t ON t.name = m.template WHERE m.id = $1`;

const workedStatement = `
SELECT FROM herald.sender s, herald.message m
WHERE s.method = $1 AND s.name = $2 AND m.id = $3 AND s.succeeded_at > m.fault_at`;

const isOutage = `pause_reason IN ('unreachable', 'connect_timeout', 'dns') AND probe_at > now()`;

const probeSoonStatement = `
WITH sender AS (
  UPDATE herald.sender SET probe_at = now() WHERE method = $1 AND name = $2 AND paused_at IS NOT NULL AND ${isOutage}
), method AS (
  UPDATE herald.method SET probe_at = now() WHERE name = $1 AND pause_kind = 'fault' AND ${isOutage} RETURNING name
)
SELECT herald.bring_forward(name) FROM method`;

/** Reads and writes the pauses of the method of these services. */
export function createSenderPauses(services: DispatcherServices): SenderPauses {
  const { pool, method, logger } = services;
  const { known, current } = createPauseCache(services);

  return {
    current,
    async pause(
      sender,
      { reason, detail, retryAfterSeconds = 0, probeAfterSeconds: atLeastSeconds = retryAfterSeconds },
    ) {
      known.set(sender, { reason, detail, probeSeconds: Math.max(firstProbeSeconds, atLeastSeconds) });
      await attempt(services, 'record the pause of a sender', undefined, async () => {
        const stored = await pauseForFault(pool, { method, sender }, { reason, detail, atLeastSeconds });
        if (stored !== null) known.set(sender, { reason, detail, probeSeconds: stored.probeSeconds });
        if (stored?.fresh)
          logger.error(
            { method, sender, reason, detail },
            'sender paused: it is at fault; it is probed and resumes automatically',
          );
      });
    },
    claimProbe: (sender, messageId) =>
      attempt(services, 'claim a probe', false, async () => {
        const { rows } = await pool.query<{ may: boolean }>(mayProbeStatement, [messageId]);
        if (rows[0]?.may === false) return false;
        const ours = await claimProbe(pool, { method, sender });
        const state = known.get(sender);
        if (state !== undefined) known.set(sender, { ...state, probeSeconds: firstProbeSeconds });
        return ours;
      }),
    workedSinceFault: (sender, messageId) =>
      attempt(services, 'read when a sender worked', false, async () => {
        const { rowCount } = await pool.query(workedStatement, [method, sender, messageId]);
        return rowCount === 1;
      }),
    probeSoon: (sender) =>
      attempt(services, 'bring a probe forward', undefined, async () => {
        await pool.query(probeSoonStatement, [method, sender]);
      }),
    async resume(sender) {
      known.delete(sender);
      const resumed = await attempt(services, 'record that a sender works again', false, () =>
        resumeAfterProbe(pool, { method, sender }),
      );
      if (resumed) logger.info({ method, sender }, 'sender resumed: the probe was answered');
    },
  };
}

/** The pauses as they were last read. */
function createPauseCache(services: DispatcherServices) {
  const known = new Map<string, SenderPause>();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;

  async function read(): Promise<void> {
    await attempt(services, 'read which senders are paused', undefined, async () => {
      const { rows } = await services.pool.query<SenderPause & { name: string }>(readStatement, [services.method]);
      known.clear();
      for (const { name, ...state } of rows) known.set(name, state);
    });
    readAt = performance.now();
    reading = null;
  }

  const current = async (): Promise<ReadonlyMap<string, SenderPause>> => {
    if (performance.now() - readAt > cacheMs) await (reading ??= read());
    return known;
  };
  return { known, current };
}

/** The state is written again with the next fault or probe, so an error is only logged. */
async function attempt<T>(
  { method, logger }: DispatcherServices,
  what: string,
  otherwise: T,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    logger.error({ method, error: codeOf(error) }, `cannot ${what}`);
    return otherwise;
  }
}
