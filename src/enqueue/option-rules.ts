/** The rules of the options of a notification, without a database. */
import * as v from 'valibot';
import type { Issue } from '../errors.ts';
import { bounds, isLonger } from './bounds.ts';

/** One line of text that is not empty. */
export const line = (maxLength: number) =>
  v.pipe(
    v.string(),
    v.minLength(1, 'is empty'),
    v.check((text) => !isLonger(text, maxLength), `is longer than ${maxLength} characters`),
    v.check((text) => !/\p{Cc}/u.test(text), 'holds control characters'),
  );

const list = <Item extends v.GenericSchema>(item: Item, maxLength: number) =>
  v.pipe(v.array(item), v.maxLength(maxLength, `has more than ${maxLength} entries`));

const absoluteUrl = (schemes: readonly string[]) =>
  v.pipe(
    v.string(),
    v.check((text) => !isLonger(text, bounds.url), `is longer than ${bounds.url} characters`),
    v.check(
      (text) => URL.canParse(text) && schemes.includes(new URL(text).protocol),
      `is not an absolute URL (${schemes.join(' ')})`,
    ),
  );

/** What a URL must write as %XX. The SQL function refuses the same characters. */
const unescaped = /[\u0000-\u0020\u007f-\u00a0"<>\\^`{|}]/;

/** Percent-encoded, a byte that is not ASCII takes three characters. */
const asciiLength = (text: string) => Buffer.byteLength(text) + 2 * Buffer.byteLength(text.replace(/[\0-\x7f]+/g, ''));

const unsubscribeUrl = v.pipe(
  absoluteUrl(['https:']),
  v.check(
    (text) => asciiLength(text) <= bounds.unsubscribeUrl,
    `is longer than ${bounds.unsubscribeUrl} characters in ASCII; a header field has no room for more`,
  ),
);

const seconds = (min: number) =>
  v.pipe(
    v.number(),
    v.finite('is not finite'),
    v.minValue(min, `must be ${min} or more`),
    v.maxValue(bounds.seconds, 'is more than 100 years'),
  );

// ISO 8601 writes later years with six digits, which Postgres does not read.
const time = v.pipe(v.date(), v.maxValue(new Date('9999-12-31T00:00:00Z'), 'is later than the year 9999'));

/** RFC 2045 section 5.1, with parameters. */
const mediaType =
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?: *; *[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[\w !#$&'()*+,./:;<=>?@[\]^{|}~-]*"))*$/;

const attachment = v.strictObject({
  name: v.pipe(
    line(bounds.attachmentName),
    v.check((name) => !/[/\\]/.test(name), 'holds a slash'),
  ),
  contentType: v.pipe(
    v.string(),
    v.maxLength(bounds.attachmentName, `is longer than ${bounds.attachmentName} characters`),
    v.regex(mediaType, 'is not a media type such as application/pdf or text/plain; charset=utf-8'),
    v.check((type) => !/^multipart\//i.test(type), 'is a multipart type, whose parts would become parts of the email'),
  ),
  content: v.instance(Uint8Array),
});

const attachments = v.pipe(
  list(attachment, bounds.attachments),
  v.check(
    (files) => files.reduce((sum, file) => sum + file.content.length, 0) <= bounds.attachmentBytes,
    'are larger than 10 MB together; store large files elsewhere and pass a link',
  ),
);

const action = v.strictObject({
  label: line(bounds.actionLabel),
  url: v.pipe(
    absoluteUrl(['https:', 'http:', 'mailto:']),
    v.check((text) => !unescaped.test(text), 'holds a character that must be escaped, such as a space (%20)'),
    v.check((text) => !/^https?:\/\/[^/?#]*@/i.test(text), 'holds a user or a password'),
    v.check((text) => asciiLength(text) <= bounds.asciiUrl, `is longer than ${bounds.asciiUrl} characters in ASCII`),
  ),
});

const methods = v.pipe(
  list(line(bounds.method), bounds.methods),
  v.minLength(1, "is empty; leave it out for the template's methods"),
);

const priority = v.pipe(
  v.number(),
  v.integer('is not a whole number'),
  v.minValue(-bounds.priority, `must be ${-bounds.priority} or more`),
  v.maxValue(bounds.priority, `must be ${bounds.priority} or less`),
);

const optionsSchema = v.strictObject({
  targets: v.optional(list(line(bounds.target), bounds.targets)),
  methods: v.optional(methods),
  actions: v.optional(list(action, bounds.actions)),
  dedupeKey: v.optional(line(bounds.dedupeKey)),
  dedupeWindowSeconds: v.optional(seconds(1)),
  sendAt: v.optional(time),
  delaySeconds: v.optional(seconds(0)),
  expiresAt: v.optional(time),
  ttlSeconds: v.optional(seconds(1)),
  urgent: v.optional(v.boolean()),
  quiet: v.optional(v.picklist(['send', 'drop'])),
  priority: v.optional(priority),
  tenant: v.optional(line(bounds.tenant)),
  groupKey: v.optional(line(bounds.groupKey)),
  unsubscribeUrl: v.optional(unsubscribeUrl),
  createdBy: v.optional(line(bounds.createdBy)),
  strict: v.optional(v.boolean()),
  autocommit: v.optional(v.boolean()),
  traceContext: v.optional(v.record(v.string(), v.string())),
  attachments: v.optional(attachments),
});

/** Options that follow their rules. */
export type CheckedOptions = v.InferOutput<typeof optionsSchema>;

/** Returns the options, or everything that is wrong with them. */
export function checkOptions(
  options: unknown,
): { readonly value: CheckedOptions } | { readonly issues: readonly Issue[] } {
  const checked = v.safeParse(optionsSchema, options);
  if (!checked.success) return { issues: checked.issues.map(issueOf) };
  const issues = contradictions(checked.output);
  return issues.length > 0 ? { issues } : { value: checked.output };
}

function contradictions(options: CheckedOptions): Issue[] {
  const issues: Issue[] = [];
  if (options.sendAt && options.delaySeconds !== undefined)
    issues.push({ path: 'delaySeconds', message: 'contradicts sendAt; give one of them' });
  if (options.expiresAt && options.ttlSeconds !== undefined)
    issues.push({ path: 'ttlSeconds', message: 'contradicts expiresAt; give one of them' });
  if (options.urgent && options.quiet !== undefined)
    issues.push({ path: 'quiet', message: 'contradicts urgent; give one of them' });
  if (options.dedupeWindowSeconds !== undefined && options.dedupeKey === undefined)
    issues.push({ path: 'dedupeWindowSeconds', message: 'needs a dedupeKey' });
  return issues;
}

/** Names the place and the rule, never the value. */
export function issueOf(issue: v.BaseIssue<unknown>): Issue {
  const path = (issue.path ?? [])
    .map((item) => (typeof item.key === 'number' ? `[${item.key}]` : `.${String(item.key)}`))
    .join('')
    .replace(/^\./, '');
  if (issue.kind !== 'schema') return { path, message: issue.message };
  const unknown = issue.type === 'strict_object' && issue.expected === 'never';
  return { path, message: unknown ? 'is not a known option' : `must be ${issue.expected ?? issue.type}` };
}
