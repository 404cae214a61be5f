/** Checks the input of `enqueue` before anything is written, and turns it into what the SQL function takes. */
import * as v from 'valibot';
import { InvalidNotificationError, type Issue } from '../errors.ts';
import type { Attachment, Action, JsonValue, Recipient } from '../vocabulary.ts';
import { type DataOf, type LabelsOf, type Template, validateInput } from '../templates/define.ts';
import { jsonFault, longestNotification, storableJson } from './json.ts';

/** The input of `enqueue`, beside the template. */
export interface Notification<T extends Template> extends NotificationOptions {
  /** One recipient or many (100,000 at most): inline, or the id alone where `createHerald` was given a resolver. */
  readonly to: Recipient | string | readonly (Recipient | string)[];
  readonly labels: LabelsOf<T>;
  readonly data?: DataOf<T>;
}

/** Everything about a notification that every recipient shares. */
export interface NotificationOptions {
  /** Ids of the things it is about, for look-ups; 100 at most. */
  readonly targets?: readonly string[];
  /** Delivery methods, in place of the template's; an operator's override wins. */
  readonly methods?: readonly string[];
  /** Further buttons beneath the body: plain values, never template source. 10 at most. */
  readonly actions?: readonly Action[];
  /** Two enqueues with one key make one message per recipient and method; the second returns the first. 1 to 400 characters. */
  readonly dedupeKey?: string;
  /** With `dedupeKey`: one message per key and window of so many seconds (1 at least), counted from the epoch. Default: for ever. */
  readonly dedupeWindowSeconds?: number;
  /** Not before this time. */
  readonly sendAt?: Date;
  /** Not before so many seconds from now; 0 at least. */
  readonly delaySeconds?: number;
  /** Never after this time: the message then settles as `expired`, at once where the time is past. Must be after `sendAt`. */
  readonly expiresAt?: Date;
  /** Never later than so many seconds (1 at least) after it may be sent; default: the template's `ttlSeconds`. */
  readonly ttlSeconds?: number;
  /** Higher goes first; -1000 to 1000, default 0. */
  readonly priority?: number;
  /** Tenant of the application: brand, sender and endpoints. */
  readonly tenant?: string;
  /** Messages with one key belong together: a mail thread, a chat thread, an incident. */
  readonly groupKey?: string;
  /** Absolute https URL that unsubscribes this recipient with one POST (RFC 8058). */
  readonly unsubscribeUrl?: string;
  /** Who or what asked for it, for `pg-herald why`; default: the database user. */
  readonly createdBy?: string;
  /** Files that travel with the mail; other methods leave them out. 10 at most, 10 MB together. */
  readonly attachments?: readonly Attachment[];
  /** W3C trace context of the caller, carried to the delivery. */
  readonly traceContext?: Readonly<Record<string, string>>;
}

/** What `herald.enqueue(jsonb)` reads. */
export type StoredNotification = Record<string, JsonValue>;

const oneLine = (most: number) =>
  v.pipe(
    v.string(),
    v.minLength(1, 'is empty'),
    v.maxLength(most, `is longer than ${most} characters`),
    v.check((text) => !/\p{Cc}/u.test(text), 'holds control characters'),
  );

const absoluteUrl = (schemes: readonly string[]) =>
  v.pipe(
    v.string(),
    v.maxLength(2000, 'is longer than 2000 characters'),
    v.check(
      (text) => URL.canParse(text) && schemes.includes(new URL(text).protocol),
      `is not an absolute URL (${schemes.join(' ')})`,
    ),
  );

const secondsFrom = (least: number) =>
  v.pipe(
    v.number(),
    v.finite('is not finite'),
    v.minValue(least, `must be ${least} or more`),
    v.maxValue(3_155_760_000, 'is more than 100 years'),
  );

// Later years have six digits in ISO 8601, which Postgres does not read.
const moment = v.pipe(v.date(), v.maxValue(new Date('9999-12-31T00:00:00Z'), 'is later than the year 9999'));

const attachments = v.pipe(
  v.array(
    v.strictObject({
      name: v.pipe(
        oneLine(200),
        v.check((name) => !/[/\\]/.test(name), 'holds a slash'),
      ),
      contentType: v.pipe(
        v.string(),
        v.maxLength(200, 'is longer than 200 characters'),
        v.regex(/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/, 'is no media type such as application/pdf'),
      ),
      content: v.pipe(
        v.instance(Uint8Array),
        v.check((bytes) => bytes.length > 0, 'is empty'),
      ),
    }),
  ),
  v.maxLength(10, 'has more than 10 entries'),
  v.check(
    (files) => files.reduce((sum, file) => sum + file.content.length, 0) <= 10_000_000,
    'are larger than 10 MB together; store large files elsewhere and pass a link',
  ),
);

const optionsSchema = v.strictObject({
  targets: v.optional(v.pipe(v.array(oneLine(200)), v.maxLength(100, 'has more than 100 entries'))),
  methods: v.optional(
    v.pipe(
      v.array(oneLine(50)),
      v.minLength(1, "is empty; leave it out for the template's methods"),
      v.maxLength(10, 'has more than 10 entries'),
    ),
  ),
  actions: v.optional(
    v.pipe(
      v.array(v.strictObject({ label: oneLine(200), url: absoluteUrl(['https:', 'http:', 'mailto:']) })),
      v.maxLength(10, 'has more than 10 entries'),
    ),
  ),
  dedupeKey: v.optional(oneLine(400)),
  dedupeWindowSeconds: v.optional(secondsFrom(1)),
  sendAt: v.optional(moment),
  delaySeconds: v.optional(secondsFrom(0)),
  expiresAt: v.optional(moment),
  ttlSeconds: v.optional(secondsFrom(1)),
  priority: v.optional(
    v.pipe(
      v.number(),
      v.integer('is not a whole number'),
      v.minValue(-1000, 'must be -1000 or more'),
      v.maxValue(1000, 'must be 1000 or less'),
    ),
  ),
  tenant: v.optional(oneLine(200)),
  groupKey: v.optional(oneLine(500)),
  unsubscribeUrl: v.optional(absoluteUrl(['https:'])),
  createdBy: v.optional(oneLine(200)),
  traceContext: v.optional(v.record(v.string(), v.string())),
  attachments: v.optional(attachments),
});

/** Validates everything that needs no database. Throws InvalidNotificationError with all issues at once. */
export async function checkNotification(
  template: Template,
  input: { readonly labels: unknown; readonly data?: unknown },
  options: NotificationOptions,
): Promise<StoredNotification> {
  const issues: Issue[] = [];
  requireTemplate(template);
  const content = await validateInput(template, input);
  if ('issues' in content) issues.push(...content.issues);
  const checked = v.safeParse(optionsSchema, options);
  if (!checked.success) issues.push(...checked.issues.map(issueOf));
  else issues.push(...contradictions(checked.output));
  if ('issues' in content || !checked.success || issues.length > 0) throw new InvalidNotificationError(issues);
  const { labels, data } = content.value;
  const { attachments: _, ...flat } = checked.output;
  const stored = { ...flat, template: template.name, labels, ...(data !== null && { data }) };
  const fault = jsonFault(stored, '');
  if (fault !== null) throw new InvalidNotificationError([fault]);
  // As JSON has it: dates are strings, and what is undefined is gone.
  return JSON.parse(JSON.stringify(stored)) as StoredNotification;
}

/** Without the compiler, a name is what comes to mind first. */
function requireTemplate(template: unknown): void {
  if (typeof template === 'object' && template !== null && 'labels' in template) return;
  const message = "is no template; pass what defineTemplate({ name, labels }) returned, not a template's name";
  throw new InvalidNotificationError([{ path: 'template', message }]);
}

/** The notification as the SQL function takes it. Throws InvalidNotificationError where it is larger than 256 KiB. */
export function notificationJson(stored: StoredNotification): string {
  const text = storableJson(stored);
  const bytes = Buffer.byteLength(text);
  if (bytes <= longestNotification) return text;
  const sizes = Object.entries(stored).map(([path, value]) => ({ path, size: JSON.stringify(value).length }));
  const largest = sizes.reduce((most, each) => (each.size > most.size ? each : most), { path: '', size: 0 });
  throw new InvalidNotificationError([
    {
      path: largest.path,
      message: `the notification is ${bytes} bytes without its recipients, the limit is ${longestNotification}; store large content elsewhere and pass a link`,
    },
  ]);
}

/** The same with its files. They count for themselves: 10 MB, not 256 KiB. */
export function withAttachments(json: string, attachments: readonly Attachment[] = []): string {
  if (attachments.length === 0) return json;
  const files = attachments.map(({ name, contentType, content }) => ({
    name,
    contentType,
    content: Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('base64'),
  }));
  return `${json.slice(0, -1)},"attachments":${JSON.stringify(files)}}`;
}

function contradictions(options: v.InferOutput<typeof optionsSchema>): Issue[] {
  const issues: Issue[] = [];
  if (options.sendAt && options.delaySeconds !== undefined)
    issues.push({ path: 'delaySeconds', message: 'contradicts sendAt; give one of them' });
  if (options.expiresAt && options.ttlSeconds !== undefined)
    issues.push({ path: 'ttlSeconds', message: 'contradicts expiresAt; give one of them' });
  if (options.dedupeWindowSeconds !== undefined && options.dedupeKey === undefined)
    issues.push({ path: 'dedupeWindowSeconds', message: 'needs a dedupeKey' });
  return issues;
}

/** Names the place and the rule, never the value. */
function issueOf(issue: v.BaseIssue<unknown>): Issue {
  const path = (issue.path ?? [])
    .map((item) => (typeof item.key === 'number' ? `[${item.key}]` : `.${String(item.key)}`))
    .join('')
    .replace(/^\./, '');
  if (issue.kind !== 'schema') return { path, message: issue.message };
  const unknown = issue.type === 'strict_object' && issue.expected === 'never';
  return { path, message: unknown ? 'is no known option' : `must be ${issue.expected ?? issue.type}` };
}
