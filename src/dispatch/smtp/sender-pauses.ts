/**
 * Which senders rest because they are at fault, for all replicas: rows of herald.sender. One that rests is tried again with a single
 * message, after waits that grow like those of a method.
 */
import type { Pool } from 'pg';
import type { Logger, Reason } from '../../vocabulary.ts';
import type { Failure } from './connections.ts';

export interface Rest {
  readonly reason: Reason;
  readonly detail: string;
  /** Until somebody may try; 0 or less: now. */
  readonly probeSeconds: number;
}

export interface Rests {
  /** As of a second ago at most. Where the database cannot be asked, what was known last. */
  current(): Promise<ReadonlyMap<string, Rest>>;
  /** A sender is at fault: it rests from now on, here at once. */
  begin(sender: string, fault: Failure): Promise<void>;
  /** Whether the probe that is due is ours. */
  claimProbe(sender: string): Promise<boolean>;
  /** A probe was answered. */
  end(sender: string): Promise<void>;
}

/** As for a method: first probe, and longest wait between probes, in seconds. */
const firstProbeSeconds = 5;
const longestProbeSeconds = 600;
const believeMs = 1000;

const readStatement = `SELECT name, pause_reason AS reason, pause_detail AS detail, extract(epoch FROM probe_at - now())::float8 AS "probeSeconds"
FROM herald.sender WHERE method = $1 AND paused_at IS NOT NULL`;

// Whoever finds the row awake is the one that tells the operator: now() is the same throughout a statement.
const beginStatement = `
INSERT INTO herald.sender AS s (method, name, paused_at, pause_reason, pause_detail, probe_at)
VALUES ($1, $2, now(), $3, $4, now() + greatest($5::float8, $7) * interval '1 second')
ON CONFLICT (method, name) DO UPDATE SET paused_at = coalesce(s.paused_at, now()), pause_reason = $3, pause_detail = $4, updated_at = now(),
  probe_at = greatest(s.probe_at, now() + greatest(least($5 * 2 ^ least(s.probe_failures, 10), $6), $7) * interval '1 second')
RETURNING paused_at = now() AS fresh, extract(epoch FROM probe_at - now())::float8 AS "probeSeconds"`;

const claimStatement = `UPDATE herald.sender SET probe_failures = probe_failures + 1, updated_at = now(),
  probe_at = now() + least($3 * 2 ^ least(probe_failures + 1, 10), $4) * interval '1 second'
WHERE method = $1 AND name = $2 AND paused_at IS NOT NULL AND probe_at <= now()`;

const endStatement = `UPDATE herald.sender SET paused_at = NULL, pause_reason = NULL, pause_detail = NULL, probe_at = NULL, probe_failures = 0,
  updated_at = now()
WHERE method = $1 AND name = $2 AND paused_at IS NOT NULL`;

export function createRests({ pool, method, logger }: RestServices): Rests {
  const known = new Map<string, Rest>();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;

  async function read(): Promise<void> {
    try {
      const { rows } = await pool.query<Rest & { name: string }>(readStatement, [method]);
      known.clear();
      for (const { name, ...rest } of rows) known.set(name, rest);
    } catch (error) {
      logger.error({ method, error: nameOf(error) }, 'cannot read which senders rest');
    }
    readAt = performance.now();
  }

  async function write(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      logger.error({ method, error: nameOf(error) }, `cannot record ${what}`);
    }
  }

  return {
    async current() {
      if (performance.now() - readAt > believeMs)
        await (reading ??= read().finally(() => {
          reading = null;
        }));
      return known;
    },
    async begin(sender, { reason, detail, retryAfterSeconds = 0 }) {
      known.set(sender, { reason, detail, probeSeconds: Math.max(firstProbeSeconds, retryAfterSeconds) });
      await write('that a sender rests', async () => {
        const values = [
          method,
          sender,
          reason,
          detail.slice(0, 500),
          firstProbeSeconds,
          longestProbeSeconds,
          retryAfterSeconds,
        ];
        const { rows } = await pool.query<{ fresh: boolean; probeSeconds: number }>(beginStatement, values);
        const [row] = rows;
        if (row !== undefined) known.set(sender, { reason, detail, probeSeconds: row.probeSeconds });
        if (row?.fresh)
          logger.error(
            { method, sender, reason, detail },
            'sender rests: it is at fault itself; it is probed and resumes by itself',
          );
      });
    },
    async claimProbe(sender) {
      let ours = false;
      await write('a probe', async () => {
        const { rowCount } = await pool.query(claimStatement, [method, sender, firstProbeSeconds, longestProbeSeconds]);
        ours = rowCount === 1;
      });
      // Ours or another's: until it is answered nobody else tries.
      const rest = known.get(sender);
      if (rest !== undefined) known.set(sender, { ...rest, probeSeconds: firstProbeSeconds });
      return ours;
    },
    async end(sender) {
      known.delete(sender);
      await write('that a sender works again', async () => {
        const { rowCount } = await pool.query(endStatement, [method, sender]);
        if (rowCount === 1) logger.info({ method, sender }, 'sender resumed: the probe was answered');
      });
    },
  };
}

export interface RestServices {
  readonly pool: Pool;
  readonly method: string;
  readonly logger: Logger;
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? ('code' in error ? String(error.code) : error.name) : 'unknown';
}
