/** What operators did, for those who come after them. */
import type { Pool, PoolClient } from 'pg';

export interface AuditEntry {
  /** Login name or whatever the host application knows its operator by. */
  readonly actor: string;
  /** A command, for example `retry` or `endpoints rotate`. */
  readonly action: string;
  /** What it was done to: a message id, a method, a template, an endpoint; null: many, see `detail`. */
  readonly subject: string | null;
  readonly why?: string | null;
  /** Filter and count of an action on many. Never an address or a secret. */
  readonly detail?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

export interface AuditRecord extends Required<Omit<AuditEntry, 'detail'>> {
  readonly id: string;
  readonly at: Date;
  readonly detail: AuditEntry['detail'] | null;
}

export async function recordAudit(client: Pick<Pool | PoolClient, 'query'>, entry: AuditEntry): Promise<void> {
  await client.query('INSERT INTO herald.audit (actor, action, subject, why, detail) VALUES ($1, $2, $3, $4, $5)', [
    entry.actor,
    entry.action,
    entry.subject,
    entry.why ?? null,
    entry.detail === undefined ? null : JSON.stringify(entry.detail),
  ]);
}

/** Newest first, at most 1,000; of one subject if it is named. */
export async function listAudit(
  pool: Pick<Pool, 'query'>,
  { subject, limit = 50 }: { readonly subject?: string | undefined; readonly limit?: number } = {},
): Promise<AuditRecord[]> {
  const result = await pool.query<AuditRecord>(
    `SELECT id, at, actor, action, subject, why, detail FROM herald.audit ${subject === undefined ? '' : 'WHERE subject = $2'} ORDER BY at DESC, id DESC LIMIT $1`,
    [Math.min(limit, 1000), ...(subject === undefined ? [] : [subject])],
  );
  return result.rows;
}
