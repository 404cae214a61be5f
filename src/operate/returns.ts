/** What came back about a sent message, and in words. */
import type { Queryable } from '../database/pool.ts';

/** One report about a message. */
export interface MessageReport {
  /** When it was recorded. */
  readonly at: Date;
  /** `bounce`: it was returned. `delay`: the server is still trying. The others are the person's. */
  readonly kind: 'bounce' | 'delay' | 'complaint' | 'unsubscribe';
  /** What it means for the address: see `policyOf` of `pg-herald/reports`. */
  readonly effect: 'dead' | 'soft' | 'ours' | 'complaint' | 'unsubscribe' | 'none';
  /** RFC 3463 code, for example `5.1.1`; null: the report has none. */
  readonly statusCode: string | null;
  /** Words of the server, redacted. */
  readonly replyText: string | null;
  /** Host name of the server that reports; null: unknown. */
  readonly reporter: string | null;
  /** How it came: `mail`, or a provider such as `ses`. */
  readonly source: string;
}

/** The reports about a message, oldest first. */
export async function reportsOf(client: Queryable, messageId: string): Promise<MessageReport[]> {
  const result = await client.query<MessageReport>(
    `SELECT at, kind, effect, status_code AS "statusCode", reply_text AS "replyText", reporter, source
     FROM herald.report WHERE message_id = $1 ORDER BY at, id LIMIT 100`,
    [messageId],
  );
  return result.rows;
}

/** When the sender that had refused a message turned out to be at fault, oldest first. */
export async function putBacksOf(
  client: Queryable,
  { id, method }: { readonly id: string; readonly method: string },
): Promise<{ readonly sender: string; readonly at: Date }[]> {
  const result = await client.query<{ readonly sender: string; readonly at: Date }>(
    `SELECT sender, put_back_at AS at FROM herald.refusal
     WHERE method = $1 AND kind = 'refused' AND message_id = $2 AND put_back_at IS NOT NULL ORDER BY put_back_at`,
    [method, id],
  );
  return result.rows;
}

/** A report in words, for example `returned 6 h later by mx.example: 5.1.1`. `since` is when the message was sent. */
export function reportText(report: MessageReport, since: Date | null): string {
  const { kind, at, reporter, source, statusCode } = report;
  const later = since === null ? '' : ` ${spanText(at.getTime() - since.getTime())} later`;
  const by = reporter ?? (source === 'mail' ? null : source);
  const what = { bounce: 'returned', delay: 'delayed', complaint: 'reported as spam', unsubscribe: 'unsubscribed' }[
    kind
  ];
  return `${what}${later}${by === null ? '' : ` by ${by}`}${statusCode === null ? '' : `: ${statusCode}`}`;
}

/** What the reports about a message mean for its state; null: nothing came back. */
export function returnOf(reports: readonly MessageReport[]): MessageReport | null {
  return reports.find(({ kind }) => kind === 'bounce') ?? reports.find(({ kind }) => kind === 'complaint') ?? null;
}

/** Whole units, rounded down. The clock of the database can go back. */
function spanText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
