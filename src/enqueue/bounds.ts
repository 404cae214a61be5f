/**
 * The bounds of a notification, for the checks in TypeScript. The SQL functions check the same bounds for callers of
 * other languages; test/enqueue/bounds.test.ts tries each bound on both sides.
 */
export const bounds = {
  /** Recipients of one call. */
  recipients: 100_000,
  /** Bytes of JSON of one notification, without its recipients and attachments. */
  notificationBytes: 262_144,
  /** Levels of nesting in JSON. */
  depth: 100,
  targets: 100,
  /** Characters of one target. */
  target: 200,
  /** Characters of the name of a template, and of a group. */
  templateName: 100,
  groupName: 200,
  methods: 10,
  /** Characters of the name of a method. */
  method: 50,
  actions: 10,
  /** Characters of the label of an action. */
  actionLabel: 200,
  /** Characters of a URL. */
  url: 2000,
  /** Of the URL of an action when it is written in ASCII: emails and their programs take no longer one. */
  asciiUrl: 4096,
  /** Of an unsubscribe URL when it is written in ASCII: it must fit on one line of a header (RFC 5322, 2.1.1). */
  unsubscribeUrl: 900,
  attachments: 10,
  /** Bytes of all attachments together. */
  attachmentBytes: 10_000_000,
  /** Characters of the name of an attachment, and of its media type. */
  attachmentName: 200,
  dedupeKey: 400,
  /** The longest delay, time to live or dedupe window: 100 years. */
  seconds: 3_155_760_000,
  /** The highest priority; the lowest is its negative. */
  priority: 1000,
  tenant: 200,
  groupKey: 500,
  createdBy: 200,
  /** Characters of the fields of a recipient. */
  recipient: { id: 200, name: 200, locale: 35, timeZone: 64, other: 2000 },
} as const;

/** Whether a text has more than `max` characters, as Postgres counts them: an emoji is one, in UTF-16 it is two. */
export function isLonger(text: string, max: number): boolean {
  return text.length > max && Array.from(text).length > max;
}
