import type { Reason } from '../vocabulary.ts';
import type { Queryable } from '../database/pool.ts';

/** A sender that is paused, or whose server allows fewer connections than are configured. */
export interface SenderState {
  /** For example `smtp`. */
  readonly method: string;
  /** Name of the sender. */
  readonly name: string;
  /** Since when it is paused after a fault of its own; null if it is not paused. */
  readonly pausedSince: Date | null;
  /** Why it is paused; null: it is not. */
  readonly reason: Reason | null;
  /** One redacted line for an operator. */
  readonly detail: string | null;
  /** When it is tried again with a single message. */
  readonly probeAt: Date | null;
  /** Connections that its server accepted from one process; null if that is the configured number. */
  readonly maxConnections: number | null;
}

/** Senders that do not work as configured. A sender that works has no entry. */
export async function readSenders(client: Queryable): Promise<SenderState[]> {
  const { rows } = await client.query<SenderState>(
    `SELECT method, name, paused_at AS "pausedSince", pause_reason AS reason, pause_detail AS detail,
       probe_at AS "probeAt", max_connections AS "maxConnections"
     FROM herald.sender WHERE paused_at IS NOT NULL OR max_connections IS NOT NULL ORDER BY method, name`,
  );
  return rows;
}
