/**
 * The tables, in Postgres schema `herald`. A host application that keeps its own drizzle-kit folder re-exports this
 * file from its schema (`export * from 'pg-herald/schema'`); everybody else applies the SQL files in `drizzle/`.
 * pg-boss's own tables live in `herald_queue` and are not described here.
 */
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';

export const herald = pgSchema('herald');

const moment = (name: string) => timestamp(name, { withTimezone: true });

/** A notification's source by name: the switches of an operator and the options that its newest version declared. */
export const template = herald.table(
  'template',
  {
    name: text().primaryKey(),
    group: text().notNull().default('General'),
    kind: text().notNull().default('system'),
    currentVersion: integer('current_version').notNull(),
    /** Methods in order of preference; null: the setting `methods`. */
    methods: text().array(),
    /** The operator's choice; wins over the template's and the caller's methods. */
    methodsOverride: text('methods_override').array(),
    /** `all`: by every method; `first`: by the first one that can reach the recipient. */
    fallback: text().notNull().default('all'),
    /** The operator's switch. */
    enabled: boolean().notNull().default(true),
    enabledByDefault: boolean('enabled_by_default').notNull().default(true),
    /** Recipients cannot switch it off. */
    mandatory: boolean().notNull().default(false),
    ttlSeconds: integer('ttl_seconds'),
    /** What to do when nobody knows whether an attempt was accepted: `retry` or `hold`. */
    unknown: text().notNull().default('retry'),
    maxAttempts: smallint('max_attempts'),
    /** Name of the sender (see `smtp`'s `senders`); null: the first. */
    sender: text(),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [
    check('template_kind', sql`${t.kind} in ('system', 'custom', 'test')`),
    check('template_fallback', sql`${t.fallback} in ('all', 'first')`),
    check('template_unknown', sql`${t.unknown} in ('retry', 'hold')`),
    check('template_ttl', sql`${t.ttlSeconds} > 0`),
    check('template_max_attempts', sql`${t.maxAttempts} between 1 and 1000`),
  ],
);

/** What a message is rendered from. Rows are never changed or deleted, so that a message stays pinned to its version. */
export const templateVersion = herald.table(
  'template_version',
  {
    template: text()
      .notNull()
      .references(() => template.name),
    version: integer().notNull(),
    title: text().notNull(),
    body: text().notNull(),
    actions: jsonb().notNull().default([]),
    /** Names of the labels that every notification must carry. */
    labels: text().array().notNull(),
    /** Labels that are kept apart, encrypted when a key is set, and wiped when the message settles. */
    secrets: text().array().notNull(),
    contentHash: text('content_hash').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.template, t.version] })],
);

/** A delivery method and whether it is paused, for all replicas. The row `*` pauses everything. */
export const method = herald.table(
  'method',
  {
    name: text().primaryKey(),
    enabled: boolean().notNull().default(true),
    /** Whether enqueue wakes the workers by NOTIFY; switch it off beyond some 1,000 enqueuing commits a second. */
    notify: boolean().notNull().default(true),
    /** The recipient's field that this method cannot do without, for example `email`. */
    requires: text(),
    pausedAt: moment('paused_at'),
    pausedBy: text('paused_by'),
    /** `operator`: until resumed. `fault`: until a probe succeeds. */
    pauseKind: text('pause_kind'),
    pauseReason: text('pause_reason'),
    pauseDetail: text('pause_detail'),
    probeAt: moment('probe_at'),
    probeFailures: integer('probe_failures').notNull().default(0),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [check('method_pause_kind', sql`${t.pauseKind} in ('operator', 'fault')`)],
);

/**
 * One notification for one recipient by one method: the truth about its status. There is no foreign key to
 * template_version on purpose: versions are never deleted, and the check would cost a lock per row at enqueue.
 */
export const message = herald.table(
  'message',
  {
    id: uuid().primaryKey(),
    /** The same for all messages of one enqueue call. */
    notificationId: uuid('notification_id').notNull(),
    template: text().notNull(),
    templateVersion: integer('template_version').notNull(),
    method: text().notNull(),
    /** Position of the method in the template's list, from 1. */
    ordinal: smallint().notNull(),
    status: text().notNull(),
    reason: text(),
    detail: text(),
    recipientId: text('recipient_id').notNull(),
    /** Snapshot at enqueue. */
    recipient: jsonb().notNull(),
    labels: jsonb().notNull(),
    /** Declared secret labels, each encrypted when a key is set; null once settled. */
    secrets: jsonb(),
    data: jsonb(),
    /** Further actions of this message, after those of the template. */
    actions: jsonb(),
    targets: text().array().notNull(),
    endpointId: uuid('endpoint_id'),
    tenant: text(),
    groupKey: text('group_key'),
    unsubscribeUrl: text('unsubscribe_url'),
    dedupeKey: text('dedupe_key'),
    /** Number of the dedupe window since the epoch; 0 without a window. */
    dedupeSlot: bigint('dedupe_slot', { mode: 'number' }).notNull().default(0),
    /**
     * What a dedupe key counts for, beside its window and the recipient: the method, `*` where the template picks one of
     * several, or the method, a colon and the endpoint. In one text, because every one of them is part of one unique index.
     */
    dedupeScope: text('dedupe_scope'),
    priority: smallint().notNull().default(0),
    sendAt: moment('send_at'),
    expiresAt: moment('expires_at'),
    nextAttemptAt: moment('next_attempt_at').notNull(),
    /** Attempts opened so far; the number of the newest one. */
    attempts: smallint().notNull().default(0),
    /** Attempts that count against the limit: faults of the method itself do not. */
    charged: smallint().notNull().default(0),
    maxAttempts: smallint('max_attempts'),
    unknown: text().notNull().default('retry'),
    leaseToken: uuid('lease_token'),
    leasedBy: text('leased_by'),
    attemptStartedAt: moment('attempt_started_at'),
    createdBy: text('created_by').notNull(),
    traceContext: jsonb('trace_context'),
    createdAt: moment('created_at').notNull().defaultNow(),
    settledAt: moment('settled_at'),
  },
  (t) => [
    check(
      'message_status',
      sql`${t.status} in ('pending', 'sending', 'sent', 'failed', 'inhibited', 'cancelled', 'expired', 'held')`,
    ),
    check('message_unknown', sql`${t.unknown} in ('retry', 'hold')`),
    index('message_recipient').on(t.recipientId, t.createdAt.desc()),
    index('message_targets').using('gin', t.targets).where(sql`${t.targets} <> '{}'`),
    index('message_created_at').on(t.createdAt.desc(), t.id.desc()),
    index('message_unsettled').on(t.method, t.nextAttemptAt).where(sql`${t.status} in ('pending', 'sending', 'held')`),
    index('message_notification').on(t.notificationId),
    uniqueIndex('message_dedupe')
      .on(t.dedupeKey, t.dedupeSlot, t.recipientId, t.dedupeScope)
      .where(sql`${t.dedupeKey} is not null`),
  ],
);

/** One try to hand a message over. Written when it ends; until then the message row holds the open attempt. */
export const attempt = herald.table(
  'attempt',
  {
    messageId: uuid('message_id').notNull(),
    number: smallint().notNull(),
    worker: text().notNull(),
    startedAt: moment('started_at').notNull(),
    finishedAt: moment('finished_at').notNull(),
    outcome: text().notNull(),
    reason: text(),
    detail: text(),
    replyCode: text('reply_code'),
    replyEnhanced: text('reply_enhanced'),
    replyText: text('reply_text'),
    /** The id under which the receiver knows the message. */
    receiverId: text('receiver_id'),
    charged: boolean().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.messageId, t.number] }),
    check('attempt_outcome', sql`${t.outcome} in ('sent', 'retry', 'failed', 'unknown')`),
  ],
);

/** A recipient's choice. Without a row the template's default holds. */
export const preference = herald.table(
  'preference',
  {
    recipientId: text('recipient_id').notNull(),
    /** `template`, `group`, or `all` with an empty subject. The most specific row wins, then the most specific method. */
    scope: text().notNull(),
    subject: text().notNull(),
    /** A method, or `*` for every method. */
    method: text().notNull().default('*'),
    enabled: boolean().notNull(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.recipientId, t.scope, t.subject, t.method] }),
    check('preference_scope', sql`${t.scope} in ('template', 'group', 'all')`),
    check('preference_subject', sql`(${t.scope} = 'all') = (${t.subject} = '')`),
  ],
);

/** An address that a method must not use any more. */
export const suppression = herald.table(
  'suppression',
  {
    method: text().notNull(),
    /** In lower case. */
    address: text().notNull(),
    reason: text().notNull(),
    /** Verdicts of receivers so far; an operator's row has none. */
    hits: integer().notNull().default(0),
    firstAt: moment('first_at').notNull().defaultNow(),
    lastAt: moment('last_at').notNull().defaultNow(),
    /** Null while the verdicts do not suffice. */
    suppressedAt: moment('suppressed_at'),
  },
  (t) => [primaryKey({ columns: [t.method, t.address] })],
);

/** What an operator set at run time, by key. */
export const setting = herald.table('setting', {
  key: text().primaryKey(),
  value: jsonb().notNull(),
  updatedBy: text('updated_by').notNull(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
});

/** Token buckets that all replicas share. */
export const rateBucket = herald.table('rate_bucket', {
  key: text().primaryKey(),
  tokens: doublePrecision().notNull(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
});
