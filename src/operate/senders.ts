/** Senders of a method that rest, or whose server allows fewer connections than are configured. */
import type { Pool } from 'pg';
import type { Reason } from '../vocabulary.ts';

export interface SenderState {
  readonly method: string;
  readonly name: string;
  /** Since when it rests because it is at fault; null: it does not. */
  readonly restsSince: Date | null;
  readonly reason: Reason | null;
  readonly detail: string | null;
  /** From when on it is tried again with a single message. */
  readonly probeAt: Date | null;
  /** Connections that its server allows one process, as learned; null: as configured. */
  readonly maxConnections: number | null;
}

export async function readSenders(pool: Pool): Promise<SenderState[]> {
  const { rows } = await pool.query<SenderState>(
    `SELECT method, name, paused_at AS "restsSince", pause_reason AS reason, pause_detail AS detail, probe_at AS "probeAt", max_connections AS "maxConnections"
     FROM herald.sender WHERE paused_at IS NOT NULL OR max_connections IS NOT NULL ORDER BY method, name`,
  );
  return rows;
}
