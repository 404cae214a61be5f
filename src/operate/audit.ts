/** The audit log: what operators did. */
import * as v from 'valibot';
import type { Queryable } from '../database/pool.ts';
import { anyText, checkInput, count, fields, text } from './input.ts';

/** One action of an operator. */
export interface AuditEntry {
  /** Login name, or whatever name the host application gives its operator. */
  readonly actor: string;
  /** A command, for example `retry` or `endpoints rotate`. */
  readonly action: string;
  /** What it was done to: a message id, method, template or endpoint. Null if there were many; see `detail`. */
  readonly subject: string | null;
  /** The reason that was given; null: none. */
  readonly why?: string | null;
  /** Filter and count of an action on many. Never an address or a secret. */
  readonly detail?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

/** An entry as it is stored. */
export interface AuditRecord extends Required<Omit<AuditEntry, 'detail'>> {
  /** Id of the entry. */
  readonly id: string;
  /** When it happened. */
  readonly at: Date;
  /** Login role of the connection that wrote it. With a shared token `actor` is only what the operator claimed. */
  readonly databaseUser: string;
  /** What was changed; without secrets and addresses. */
  readonly detail: AuditEntry['detail'] | null;
}

const auditEntry = fields({
  actor: text,
  action: text,
  subject: v.nullable(text),
  why: v.nullish(anyText),
  detail: v.optional(v.record(v.string(), v.any())),
});

/** Records one action. */
export async function recordAudit(client: Queryable, entry: AuditEntry): Promise<void> {
  checkInput('recordAudit', auditEntry, entry);
  const insert =
    'INSERT INTO herald.audit (id, actor, action, subject, why, detail) VALUES ' +
    '(herald.uuid_v7(), $1, $2, $3, $4, $5)';
  await client.query(insert, [
    entry.actor,
    entry.action,
    entry.subject,
    entry.why ?? null,
    entry.detail === undefined ? null : JSON.stringify(entry.detail),
  ]);
}

/** The newest entries first, of one subject if it is named. `limit` is 50 by default and 1,000 at most. */
export async function listAudit(
  client: Queryable,
  options: { readonly subject?: string | undefined; readonly limit?: number } = {},
): Promise<AuditRecord[]> {
  checkInput('listAudit', fields({ subject: v.optional(text), limit: v.optional(count) }), options);
  const { subject, limit = 50 } = options;
  const result = await client.query<AuditRecord>(
    `SELECT id, at, actor, database_user AS "databaseUser", action, subject, why, detail FROM herald.audit
     WHERE $2::text IS NULL OR subject = $2 ORDER BY at DESC, id DESC LIMIT $1`,
    [Math.min(limit, 1000), subject ?? null],
  );
  return result.rows;
}
