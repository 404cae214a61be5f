/** Checks the input of `enqueue` before anything is written, and turns it into what the SQL function takes. */
import * as v from 'valibot';
import { parseAddress } from '../address.ts';
import { InvalidNotificationError, type Issue } from '../errors.ts';
import type { Action, JsonValue, Recipient } from '../notification.ts';
import { type DataOf, type LabelsOf, type Template, validateInput } from '../templates/define.ts';

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
  /** Two enqueues with one key make one message per recipient and method; the second returns the first. 1 to 500 characters. */
  readonly dedupeKey?: string;
  /** With `dedupeKey`: one message per key and window of so many seconds, counted from the epoch. Default: for ever. */
  readonly dedupeWindowSeconds?: number;
  /** Not before this time. */
  readonly sendAt?: Date;
  /** Not before so many seconds from now. */
  readonly delaySeconds?: number;
  /** Never after this time; the message then settles as `expired`. */
  readonly expiresAt?: Date;
  /** Never later than so many seconds after it may be sent; default: the template's `ttlSeconds`. */
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

const recipientSchema = v.object({
  id: oneLine(200),
  email: v.optional(
    v.pipe(
      v.string(),
      v.rawCheck(({ dataset, addIssue }) => {
        const parsed = dataset.typed ? parseAddress(dataset.value) : null;
        if (parsed !== null && 'problem' in parsed) addIssue({ message: parsed.problem });
      }),
    ),
  ),
  name: v.optional(oneLine(200)),
  locale: v.optional(oneLine(35)),
  timeZone: v.optional(oneLine(64)),
});

const absoluteUrl = (schemes: readonly string[]) =>
  v.pipe(
    v.string(),
    v.maxLength(2000, 'is longer than 2000 characters'),
    v.check(
      (text) => URL.canParse(text) && schemes.includes(new URL(text).protocol),
      `is not an absolute URL (${schemes.join(' ')})`,
    ),
  );

const positiveSeconds = v.pipe(
  v.number(),
  v.finite('is not finite'),
  v.gtValue(0, 'must be above 0'),
  v.maxValue(3_155_760_000, 'is more than 100 years'),
);

const optionsSchema = v.strictObject({
  targets: v.optional(v.pipe(v.array(oneLine(200)), v.maxLength(100, 'has more than 100 entries'))),
  methods: v.optional(
    v.pipe(v.array(oneLine(40)), v.minLength(1, "is empty; leave it out for the template's methods")),
  ),
  actions: v.optional(
    v.pipe(
      v.array(v.strictObject({ label: oneLine(200), url: absoluteUrl(['https:', 'http:', 'mailto:']) })),
      v.maxLength(10, 'has more than 10 entries'),
    ),
  ),
  dedupeKey: v.optional(oneLine(500)),
  dedupeWindowSeconds: v.optional(positiveSeconds),
  sendAt: v.optional(v.date()),
  delaySeconds: v.optional(positiveSeconds),
  expiresAt: v.optional(v.date()),
  ttlSeconds: v.optional(positiveSeconds),
  priority: v.optional(v.pipe(v.number(), v.integer('is not a whole number'), v.minValue(-1000), v.maxValue(1000))),
  tenant: v.optional(oneLine(200)),
  groupKey: v.optional(oneLine(500)),
  unsubscribeUrl: v.optional(absoluteUrl(['https:'])),
  createdBy: v.optional(oneLine(200)),
  traceContext: v.optional(v.record(v.string(), v.string())),
});

/** Validates everything that needs no database. Throws InvalidNotificationError with all issues at once. */
export async function checkNotification(
  template: Template,
  input: { readonly labels: unknown; readonly data?: unknown },
  options: NotificationOptions,
): Promise<StoredNotification> {
  const issues: Issue[] = [];
  const content = await validateInput(template, input);
  if ('issues' in content) issues.push(...content.issues);
  const checked = v.safeParse(optionsSchema, options);
  if (!checked.success) issues.push(...checked.issues.map(issueOf('')));
  else issues.push(...contradictions(checked.output));
  if ('issues' in content || !checked.success || issues.length > 0) throw new InvalidNotificationError(issues);
  return {
    ...(JSON.parse(JSON.stringify(checked.output)) as StoredNotification),
    template: template.name,
    labels: content.value.labels,
    data: content.value.data,
  };
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

/** Checks recipients given inline. Throws InvalidNotificationError naming each wrong one. */
export function checkRecipients(recipients: readonly unknown[]): Recipient[] {
  if (recipients.length === 0)
    throw new InvalidNotificationError([{ path: 'to', message: 'is empty; give at least one recipient' }]);
  if (recipients.length > 100_000)
    throw new InvalidNotificationError([
      { path: 'to', message: `has ${recipients.length} recipients; 100000 is the limit of one call` },
    ]);
  const issues: Issue[] = [];
  for (const [index, recipient] of recipients.entries()) {
    const checked = v.safeParse(recipientSchema, recipient);
    if (!checked.success) issues.push(...checked.issues.map(issueOf(recipients.length === 1 ? 'to' : `to[${index}]`)));
  }
  if (issues.length > 0) throw new InvalidNotificationError(issues);
  return recipients as Recipient[];
}

/** Names the place and the rule, never the value: it may be an address. */
function issueOf(root: string): (issue: v.BaseIssue<unknown>) => Issue {
  return (issue) => {
    const keys = (issue.path ?? [])
      .map((item) => (typeof item.key === 'number' ? `[${item.key}]` : `.${String(item.key)}`))
      .join('');
    const path = `${root}${keys}`.replace(/^\./, '');
    const message =
      issue.kind === 'schema'
        ? issue.type === 'strict_object' && issue.expected === 'never'
          ? 'is no known option'
          : `must be ${issue.expected ?? issue.type}`
        : issue.message;
    return { path, message };
  };
}

/**
 * JSON that Postgres can store. Half a surrogate pair (somebody cut a text in the middle of an emoji) becomes U+FFFD; a NUL
 * byte, which no text in Postgres can hold, is an error. The walk is taken only where the text shows that it is needed.
 */
export function storableJson(value: object): string {
  const text = JSON.stringify(value);
  if (!/\\u(0000|d[89a-f][0-9a-f]{2})/.test(text)) return text;
  return JSON.stringify(value, (key, entry: unknown) => {
    if (typeof entry !== 'string') return entry;
    if (entry.includes('\u0000'))
      throw new InvalidNotificationError([
        { path: key, message: 'holds a NUL byte, which Postgres cannot store; remove it' },
      ]);
    return entry.toWellFormed();
  });
}
