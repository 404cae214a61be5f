/** The one builder of SQL conditions on messages. Values are always bound, never written into the text. */
import type { MessageStatus } from '../vocabulary.ts';

/** All conditions that are given must match. */
export interface MessageFilter {
  /** Its status now. */
  readonly status?: MessageStatus;
  /** Any of these, in addition to `status`. */
  readonly anyStatus?: readonly MessageStatus[];
  /** For example `smtp`. */
  readonly method?: string;
  /** Name of the template. */
  readonly template?: string;
  /** Id of the recipient. */
  readonly recipientId?: string;
  /** Where it went or was to go, for example an email address; compared in lower case. */
  readonly address?: string;
  /** A recipient's id or address. */
  readonly who?: string;
  /** Id of a thing that it is about. */
  readonly target?: string;
  /** Why it is in its status. */
  readonly reason?: string;
  /** The key that it was enqueued with. */
  readonly dedupeKey?: string;
  /** Id of the endpoint that it goes to, a UUID. */
  readonly endpointId?: string;
  /** Enqueued at this time or later. */
  readonly since?: Date;
  /** Enqueued before this time. */
  readonly until?: Date;
}

/** Adds a value to a statement and returns its placeholder. */
export type Bind = (value: unknown) => string;

/** A list of values, and the function that adds to it. */
export function createBinding(): { readonly values: unknown[]; readonly bind: Bind } {
  const values: unknown[] = [];
  return { values, bind: (value) => `$${values.push(value)}` };
}

const conditionOf = {
  status: (value, bind) => `m.status = ${bind(value)}`,
  anyStatus: (value, bind) => `m.status = ANY (${bind(value)}::text[])`,
  method: (value, bind) => `m.method = ${bind(value)}`,
  template: (value, bind) => `m.template = ${bind(value)}`,
  recipientId: (value, bind) => `m.recipient_id = ${bind(value)}`,
  address: (value, bind) => `m.address = lower(${bind(value)} COLLATE "C") COLLATE "default"`,
  who: (value, bind) =>
    `(m.recipient_id = ${bind(value)} OR m.address = lower(${bind(value)} COLLATE "C") COLLATE "default")`,
  target: (value, bind) => `(m.targets @> ARRAY[${bind(value)}] AND m.targets <> '{}')`,
  reason: (value, bind) => `m.reason = ${bind(value)}`,
  dedupeKey: (value, bind) => `m.dedupe_key = ${bind(value)}`,
  endpointId: (value, bind) => `m.endpoint_id = ${bind(value)}::uuid`,
  since: (value, bind) => `m.created_at >= ${bind(value)}::timestamptz`,
  until: (value, bind) => `m.created_at < ${bind(value)}::timestamptz`,
} as const satisfies { readonly [Key in keyof Required<MessageFilter>]: (value: unknown, bind: Bind) => string };

const timeKeys = ['since', 'until'] as const;
const keys = Object.keys(conditionOf) as (keyof MessageFilter)[];

/** SQL that is true for a row `m` of herald.message that matches. */
export function matching(filter: MessageFilter, bind: Bind): string {
  return conjunction(filter, { bind, of: keys });
}

/** The time range alone. */
export function inTimeRange(filter: MessageFilter, bind: Bind): string {
  return conjunction(filter, { bind, of: timeKeys });
}

function conjunction(
  filter: MessageFilter,
  { bind, of }: { readonly bind: Bind; readonly of: readonly (keyof MessageFilter)[] },
): string {
  const conditions = of.flatMap((key) => (filter[key] === undefined ? [] : [conditionOf[key](filter[key], bind)]));
  return conditions.join(' AND ') || 'true';
}

/** Statuses whose messages all have a reason, and those that are not settled: each set has an index of its own. */
const withReason: readonly MessageStatus[] = ['failed', 'inhibited', 'expired', 'cancelled'];
const unsettled: readonly MessageStatus[] = ['pending', 'sending', 'held'];
const indexedKeys = ['dedupeKey', 'recipientId', 'address', 'who', 'target', 'endpointId'] as const;

/**
 * The most selective condition that an index answers. It may be true for more messages than `matching`, never for
 * fewer.
 */
export function indexable(filter: MessageFilter, bind: Bind): string {
  const key = indexedKeys.find((each) => filter[each] !== undefined);
  if (key !== undefined) return conditionOf[key](filter[key], bind);
  const statuses = filter.status === undefined ? (filter.anyStatus ?? []) : [filter.status];
  const within = (set: readonly MessageStatus[]) =>
    statuses.length > 0 && statuses.every((status) => set.includes(status));
  if (filter.reason !== undefined || within(withReason)) return 'm.reason IS NOT NULL';
  if (within(unsettled)) return 'm.settled_at IS NULL';
  if (within([...withReason, ...unsettled])) return '(m.reason IS NOT NULL OR m.settled_at IS NULL)';
  if (filter.template !== undefined) return conditionOf.template(filter.template, bind);
  return 'true';
}
