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
  /** @returns whether this process may send the probe that is due. Nothing else is sent until that is answered. */
  claimProbe(sender: string): Promise<boolean>;
  /** Ends a pause after a probe that worked. */
  resume(sender: string): Promise<void>;
}

const cacheMs = 1000;

const readStatement = `
SELECT name, pause_reason AS reason, pause_detail AS detail,
  extract(epoch FROM probe_at - now())::float8 AS "probeSeconds"
FROM herald.sender WHERE method = $1 AND paused_at IS NOT NULL`;

/** Reads and writes the pauses of the method of these services. */
export function createSenderPauses({ pool, method, logger }: DispatcherServices): SenderPauses {
  const known = new Map<string, SenderPause>();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;

  /** The state is written again with the next fault or probe, so an error is only logged. */
  async function attempt<T>(what: string, otherwise: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      logger.error({ method, error: codeOf(error) }, `cannot ${what}`);
      return otherwise;
    }
  }

  async function read(): Promise<void> {
    await attempt('read which senders are paused', undefined, async () => {
      const { rows } = await pool.query<SenderPause & { name: string }>(readStatement, [method]);
      known.clear();
      for (const { name, ...state } of rows) known.set(name, state);
    });
    readAt = performance.now();
    reading = null;
  }

  return {
    async current() {
      if (performance.now() - readAt > cacheMs) await (reading ??= read());
      return known;
    },
    async pause(
      sender,
      { reason, detail, retryAfterSeconds = 0, probeAfterSeconds: atLeastSeconds = retryAfterSeconds },
    ) {
      known.set(sender, { reason, detail, probeSeconds: Math.max(firstProbeSeconds, atLeastSeconds) });
      await attempt('record the pause of a sender', undefined, async () => {
        const stored = await pauseForFault(pool, { method, sender }, { reason, detail, atLeastSeconds });
        if (stored !== null) known.set(sender, { reason, detail, probeSeconds: stored.probeSeconds });
        if (stored?.fresh)
          logger.error(
            { method, sender, reason, detail },
            'sender paused: it is at fault; it is probed and resumes automatically',
          );
      });
    },
    async claimProbe(sender) {
      const ours = await attempt('claim a probe', false, () => claimProbe(pool, { method, sender }));
      const state = known.get(sender);
      if (state !== undefined) known.set(sender, { ...state, probeSeconds: firstProbeSeconds });
      return ours;
    },
    async resume(sender) {
      known.delete(sender);
      const resumed = await attempt('record that a sender works again', false, () =>
        resumeAfterProbe(pool, { method, sender }),
      );
      if (resumed) logger.info({ method, sender }, 'sender resumed: the probe was answered');
    },
  };
}
