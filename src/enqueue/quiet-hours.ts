/** When people may be reached, read and written in the caller's transaction. Only the database knows time zones. */
import * as v from 'valibot';
import { type Connection, run } from '../database/caller-transaction.ts';
import { InvalidNotificationError } from '../errors.ts';
import { bounds } from './bounds.ts';
import { issueOf, line } from './option-rules.ts';
import { throwRefusal } from './sql-errors.ts';

/** A span of the day in which a person may be reached. */
export interface OpenWindow {
  /** Days such as `mon-fri`, `sat,sun` or `['mon', 'wed-fri']`. Default: every day. */
  readonly days?: string | readonly string[];
  /** When it begins on each of these days, from `00:00` to `23:59`. */
  readonly from: string;
  /** When it ends, up to `24:00`. Earlier than `from` means on the next day. */
  readonly to: string;
}

/** When messages may reach a recipient, the recipients of a tenant, or (without both) everybody. */
export interface QuietHours {
  /** Id of the recipient, whose hours replace those of the tenant; or `tenant`. */
  readonly recipientId?: string;
  /** Id of the tenant, whose hours replace those for everybody. */
  readonly tenant?: string;
  /** At least one, at most 50. At any other time messages wait. null removes the hours. */
  readonly windows: readonly OpenWindow[] | null;
  /**
   * IANA time zone. Default: the recipient's own. The zone of a tenant, and that for everybody, count for recipients
   * without one.
   */
  readonly timeZone?: string;
}

/** Whose hours to look for. */
export interface HoursQuestion {
  /** Id of the recipient. */
  readonly recipientId: string;
  /** Default: none. */
  readonly tenant?: string;
  /** The time zone that a notification would give the recipient. Default: none. */
  readonly timeZone?: string;
  /** The moment from which on to look. Default: now. */
  readonly at?: Date;
}

/** The hours that apply to a recipient. */
export interface EffectiveHours {
  /** Whose hours they are; null: nobody's, so that messages are sent at any time. */
  readonly scope: 'recipient' | 'tenant' | 'all' | null;
  /** Null where there are none. */
  readonly windows: readonly OpenWindow[] | null;
  /** The zone in which they are read, with unknown ones passed over. */
  readonly timeZone: string;
  /** The first moment at which the recipient may be reached. */
  readonly opensAt: Date;
}

const zone = line(bounds.recipient.timeZone);
const windowSchema = v.strictObject({
  days: v.optional(v.union([line(100), v.array(line(20))], 'must be a string or an array of strings')),
  from: line(5),
  to: line(5),
});
const hoursSchema = v.strictObject({
  recipientId: v.optional(line(bounds.recipient.id)),
  tenant: v.optional(line(bounds.tenant)),
  windows: v.nullable(v.array(windowSchema)),
  timeZone: v.optional(zone),
});
const questionSchema = v.strictObject({
  recipientId: line(bounds.recipient.id),
  tenant: v.optional(line(bounds.tenant)),
  timeZone: v.optional(zone),
  at: v.optional(v.date()),
});

function checked<Schema extends v.GenericSchema>(schema: Schema, input: unknown): v.InferOutput<Schema> {
  const result = v.safeParse(schema, input);
  if (!result.success) throw new InvalidNotificationError(result.issues.map(issueOf));
  return result.output;
}

/**
 * Stores hours, or removes them. Messages that wait for quiet hours to end follow the change.
 * @throws {InvalidNotificationError} if a window, a day or the time zone is wrong, or both a recipient and a tenant are
 * named.
 */
export async function setQuietHours(tx: Connection, hours: QuietHours): Promise<void> {
  const { recipientId, tenant, windows, timeZone } = checked(hoursSchema, hours);
  if (recipientId !== undefined && tenant !== undefined)
    throw new InvalidNotificationError([{ path: 'tenant', message: 'contradicts recipientId; give one of them' }]);
  const [scope, subject] =
    recipientId !== undefined ? ['recipient', recipientId] : tenant !== undefined ? ['tenant', tenant] : ['all', ''];
  const refusals = await run<{ method: string; status: string; reason: string }>(tx, {
    text: `SELECT CASE place WHEN 'zone' THEN 'timeZone' ELSE place END AS method, 'refused' AS status,
        message AS reason
      FROM herald.try_hours($1::text, $2::text, $3::text::jsonb, $4::text)`,
    values: [scope, subject, windows === null ? null : JSON.stringify(windows), timeZone ?? null],
  });
  throwRefusal(refusals);
}

/**
 * Returns whose hours apply to a recipient, and when they are open next.
 * @throws {InvalidNotificationError} if the question is not one.
 */
export async function quietHoursOf(tx: Connection, question: HoursQuestion): Promise<EffectiveHours> {
  const { recipientId, tenant, timeZone, at } = checked(questionSchema, question);
  // Drivers differ in what they make of times and JSON, so that both travel as text.
  const [row] = await run<{ scope: EffectiveHours['scope']; windows: string | null; zone: string; opens: string }>(tx, {
    text: `SELECT scope, windows::text AS windows, zone, (extract(epoch FROM opens_at) * 1000)::text AS opens
      FROM herald.hours_of($1::text, $2::text, $3::text, coalesce($4::text::timestamptz, now()))`,
    values: [recipientId, tenant ?? null, timeZone ?? null, at?.toISOString() ?? null],
  });
  if (row === undefined) throw new Error('herald.hours_of returned no row');
  const windows = row.windows === null ? null : (JSON.parse(row.windows) as OpenWindow[]);
  return { scope: row.scope, windows, timeZone: row.zone, opensAt: new Date(Number(row.opens)) };
}
