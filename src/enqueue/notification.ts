/** The input of `enqueue`, and how it becomes the JSON that the SQL function takes. */
import { InvalidNotificationError, type Issue } from '../errors.ts';
import { type DataOf, type LabelsOf, type Template, validateInput } from '../templates/define.ts';
import type { Action, Attachment, JsonValue, Recipient } from '../vocabulary.ts';
import { bounds } from './bounds.ts';
import { findUnstorable, storableJson } from './json.ts';
import { checkOptions } from './option-rules.ts';

/** The input of `enqueue`, beside the template. */
export interface Notification<T extends Template> extends NotificationOptions {
  /** One recipient or up to 100,000: inline, or only the id where `createHerald` was given a resolver. */
  readonly to: Recipient | string | readonly (Recipient | string)[];
  /** The labels of the template; 256 KiB with `data`. */
  readonly labels: LabelsOf<T>;
  /** The data of the template. Default null. */
  readonly data?: DataOf<T>;
}

/** Everything about a notification that all recipients share. */
export interface NotificationOptions {
  /** Ids of the things it is about, for look-ups. At most 100, each one line of at most 200 characters. */
  readonly targets?: readonly string[];
  /** Delivery methods instead of the template's, at most 10. An operator's override wins. */
  readonly methods?: readonly string[];
  /** Further buttons below the body, at most 10: plain values, never template source. */
  readonly actions?: readonly Action[];
  /**
   * Two enqueues with one key make one message per recipient and method; the second one returns the first. 1 to 400
   * characters.
   */
  readonly dedupeKey?: string;
  /**
   * With `dedupeKey`: one message per key and window of this length, counted from the epoch. 1 or more. Default:
   * forever.
   */
  readonly dedupeWindowSeconds?: number;
  /** The earliest time to send. Default: now. */
  readonly sendAt?: Date;
  /** The earliest time to send, as seconds from now. 0 or more. */
  readonly delaySeconds?: number;
  /**
   * The latest time to send; after it the message becomes `expired`, immediately if it is past. Must be after
   * `sendAt`.
   */
  readonly expiresAt?: Date;
  /** The latest time to send, as seconds after the earliest. 1 or more. Default: the template's `ttlSeconds`. */
  readonly ttlSeconds?: number;
  /** True: quiet hours do not stop it. Default false. A mandatory template is never stopped. */
  readonly urgent?: boolean;
  /**
   * If it would expire before quiet hours end: `send` sends it in spite of them, `drop` lets it expire. Default: what
   * the template says, which is `send` by default.
   */
  readonly quiet?: 'send' | 'drop';
  /** A higher one is sent first. -1000 to 1000, default 0. */
  readonly priority?: number;
  /** Tenant of the application: selects brand, sender and endpoints. At most 200 characters. */
  readonly tenant?: string;
  /** Messages with one key belong together: an email thread, a chat thread, an incident. At most 500 characters. */
  readonly groupKey?: string;
  /** Absolute https URL that unsubscribes this recipient with one POST (RFC 8058). */
  readonly unsubscribeUrl?: string;
  /** Who or what caused it, for `pg-herald why`. At most 200 characters. Default: the database user. */
  readonly createdBy?: string;
  /**
   * True: an invalid email address, an unknown locale or an unknown time zone is an error. Default false: the message
   * of such an address becomes `inhibited` with the reason `invalid_address`, an unknown locale or time zone prints
   * English or UTC, and neither the other recipients nor the transaction are affected.
   */
  readonly strict?: boolean;
  /** Files that travel with an email; other methods leave them out. At most 10, together at most 10 MB. */
  readonly attachments?: readonly Attachment[];
  /**
   * True: enqueue outside a transaction is meant, on a pool or a database. Default false: it is refused, because it
   * could not be rolled back with your data.
   */
  readonly autocommit?: boolean;
  /** W3C trace context of the caller, carried to the delivery. */
  readonly traceContext?: Readonly<Record<string, string>>;
}

/** A notification as `herald.enqueue(jsonb)` reads it, without recipients and attachments. Undefined: not given. */
export type StoredNotification = Readonly<Record<string, JsonValue | undefined>>;

/**
 * Validates everything that needs no database.
 * @throws {InvalidNotificationError} with all issues at once.
 */
export async function checkNotification(
  template: Template,
  input: { readonly labels: unknown; readonly data?: unknown },
  options: NotificationOptions,
): Promise<StoredNotification> {
  const content = await validateInput(template, input);
  const checked = checkOptions(options);
  if ('issues' in content || 'issues' in checked)
    throw new InvalidNotificationError([
      ...[content, checked].flatMap((part) => ('issues' in part ? part.issues : [])),
      ...[findUnstorable(input.labels, 'labels'), findUnstorable(input.data, 'data')].filter((issue) => issue !== null),
    ]);
  const { labels, data } = content.value;
  const { attachments: _, strict, autocommit = false, sendAt, expiresAt, ...flat } = checked.value;
  const stored = {
    ...flat,
    ...(sendAt && { sendAt: sendAt.toISOString() }),
    ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
    returnRefusal: true,
    ...(!autocommit && { requireTransaction: true }),
    ...(strict && { invalidAddress: 'reject' }),
    template: template.name,
    labels,
    ...(data !== null && { data }),
  };
  const issue = findUnstorable(stored, '');
  if (issue !== null) throw new InvalidNotificationError([issue]);
  // As JSON has it, because it is rendered before it is stored: dates inside are strings.
  return data === null ? stored : { ...stored, data: JSON.parse(JSON.stringify(data)) as JsonValue };
}

/**
 * Without the compiler, a template's name is what comes to mind first.
 * @throws {InvalidNotificationError} if it is not a template, or the notification is not an object.
 */
export function requireInput(template: unknown, notification: unknown): void {
  const issues: Issue[] = [];
  if (typeof template !== 'object' || template === null || !('labels' in template) || !('secrets' in template))
    issues.push({
      path: 'template',
      message: "is not a template; pass what defineTemplate({ name, labels }) returned, not a template's name",
    });
  if (typeof notification !== 'object' || notification === null || Array.isArray(notification))
    issues.push({ path: 'notification', message: 'must be an object: { to, labels, ... }' });
  if (issues.length > 0) throw new InvalidNotificationError(issues);
}

/**
 * Returns the JSON that the SQL function takes.
 * @throws {InvalidNotificationError} if it has more than 256 KiB without recipients and attachments.
 */
export function notificationJson(
  stored: StoredNotification,
  rest: { readonly to?: Recipient | readonly Recipient[]; readonly attachments?: readonly Attachment[] | undefined },
): string {
  const { to, attachments = [] } = rest;
  const json = storableJson({
    ...stored,
    ...(attachments.length > 0 && { attachments: attachments.map(storedAttachment) }),
    ...(to !== undefined && { to }),
  });
  const issue = Buffer.byteLength(json) > bounds.notificationBytes ? sizeIssue(stored) : null;
  if (issue !== null) throw new InvalidNotificationError([issue]);
  return json;
}

function sizeIssue(stored: StoredNotification): Issue | null {
  const bytes = Buffer.byteLength(storableJson(stored));
  if (bytes <= bounds.notificationBytes) return null;
  const sizes = Object.entries(stored).map(([path, value]) => ({ path, size: JSON.stringify(value)?.length ?? 0 }));
  const largest = sizes.reduce((max, each) => (each.size > max.size ? each : max), { path: '', size: 0 });
  const message =
    `the notification is ${bytes} bytes without its recipients, the limit is ${bounds.notificationBytes}; ` +
    'store large content elsewhere and pass a link';
  return { path: largest.path, message };
}

function storedAttachment({ name, contentType, content }: Attachment): JsonValue {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return { name, contentType, content: bytes.toString('base64') };
}
