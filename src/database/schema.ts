/**
 * The tables, in Postgres schema `herald`, for queries with Drizzle: `import { message } from 'pg-herald/schema'`.
 * `pg-herald migrate` creates them, or the SQL of `pg-herald migrate --print` in the application's own drizzle-kit
 * folder. Do not re-export them from the schema that your drizzle-kit reads: it would generate tables without the
 * functions that they need. pg-boss's tables are in `herald_queue` and are not described here.
 */
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { bytea, herald, moment } from './tables/columns.ts';

export { herald };
export { hours } from './tables/hours.ts';
export { preferenceHistory } from './tables/preference-history.ts';
export { tenant } from './tables/tenant.ts';
export { report } from './tables/report.ts';
export { acknowledgement } from './tables/acknowledgement.ts';
export { inbox } from './tables/inbox.ts';

/** A template by name: what an operator set, and the options that its newest version declared. */
export const template = herald.table(
  'template',
  {
    name: text().primaryKey(),
    group: text().notNull().default('General'),
    kind: text().notNull().default('system'),
    currentVersion: integer('current_version').notNull(),
    /** Methods in order of preference; null: the setting `methods`. */
    methods: text().array(),
    /** The operator's choice. It overrides the methods of the template and of the caller. */
    methodsOverride: text('methods_override').array(),
    /** `all`: by every method; `first`: by the first one that can reach the recipient. */
    fallback: text().notNull().default('all'),
    /** False: an operator disabled the template. */
    enabled: boolean().notNull().default(true),
    enabledByDefault: boolean('enabled_by_default').notNull().default(true),
    /** True: recipients cannot turn it off. */
    mandatory: boolean().notNull().default(false),
    ttlSeconds: integer('ttl_seconds'),
    /** What to do when it is unknown whether an attempt was accepted: `retry` or `hold`. */
    unknown: text().notNull().default('retry'),
    /** Of a message that would expire before quiet hours end: `send` it in spite of them, or `drop` it. */
    quiet: text().notNull().default('send'),
    maxAttempts: smallint('max_attempts'),
    /** Name of the sender (see `smtp`'s `senders`); null: the first. */
    sender: text(),
    /**
     * The later messages of its notifications: `[{"afterSeconds", "unless", "methods", "fallback"}]`; null: there are
     * none.
     */
    steps: jsonb(),
    /** `schema.function` of the application that is asked before each attempt; null: none. */
    guard: text(),
    /** False: the recipient guard of the workers is not asked about its recipients. */
    recipientGuard: boolean('recipient_guard').notNull().default(true),
    /** Recipient, labels and data that the template's file is previewed with; null: the file has none. */
    example: jsonb(),
    createdAt: moment('created_at').notNull().defaultNow(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [
    check('template_kind', sql`${t.kind} in ('system', 'custom', 'test')`),
    check('template_fallback', sql`${t.fallback} in ('all', 'first')`),
    check('template_unknown', sql`${t.unknown} in ('retry', 'hold')`),
    check('template_quiet', sql`${t.quiet} in ('send', 'drop')`),
    check('template_ttl', sql`${t.ttlSeconds} > 0`),
    check('template_max_attempts', sql`${t.maxAttempts} between 1 and 1000`),
    check('template_guard', sql`${t.guard} ~ '^[a-z_][a-z0-9_]{0,62}[.][a-z_][a-z0-9_]{0,62}$'`),
  ],
);

/**
 * What a message is rendered from. Rows are never changed or deleted, so that a message stays pinned to its version.
 */
export const templateVersion = herald.table(
  'template_version',
  {
    template: text()
      .notNull()
      .references(() => template.name),
    version: integer().notNull(),
    /** BCP 47 tag of the language of title, body and actions, for everybody who reads none of the further ones. */
    language: text().notNull().default('en'),
    title: text().notNull(),
    body: text().notNull(),
    actions: jsonb().notNull().default([]),
    /** What lists of emails show after the subject; null: the beginning of the body. */
    preview: text(),
    /** The application's own words for the layout of emails; null: none. */
    words: jsonb(),
    /** Names of the labels that every notification must carry. */
    labels: text().array().notNull(),
    /** Labels that are kept apart, encrypted when a key is set, and wiped when the message settles. */
    secrets: text().array().notNull(),
    /** Names of the fields of the data without which no text can be rendered; null: none. */
    dataFields: text('data_fields').array(),
    contentHash: text('content_hash').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.template, t.version] })],
);

/** The texts of a version in a further language. Written together with the version, and never changed. */
export const templateText = herald.table(
  'template_text',
  {
    template: text().notNull(),
    version: integer().notNull(),
    /** BCP 47 tag. */
    language: text().notNull(),
    title: text().notNull(),
    body: text().notNull(),
    actions: jsonb().notNull().default([]),
    /** What lists of emails show after the subject; null: the beginning of the body. */
    preview: text(),
    /** The application's own words for the layout of emails; null: none. */
    words: jsonb(),
  },
  (t) => [
    primaryKey({ columns: [t.template, t.version, t.language] }),
    foreignKey({
      name: 'template_text_version',
      columns: [t.template, t.version],
      foreignColumns: [templateVersion.template, templateVersion.version],
    }).onDelete('cascade'),
  ],
);

/** A delivery method and whether it is paused, for all replicas. The row `*` pauses everything. */
export const method = herald.table(
  'method',
  {
    name: text().primaryKey(),
    enabled: boolean().notNull().default(true),
    /** Whether enqueue wakes the workers by NOTIFY. Turn it off above 1,000 enqueuing commits a second. */
    notify: boolean().notNull().default(true),
    /** The recipient's field that this method cannot do without, for example `email`. */
    requires: text(),
    /** Whether its messages wait while a recipient's quiet hours last. */
    quietHours: boolean('quiet_hours').notNull().default(true),
    pausedAt: moment('paused_at'),
    pausedBy: text('paused_by'),
    /** `operator`: until resumed. `fault`: until a probe succeeds. */
    pauseKind: text('pause_kind'),
    pauseReason: text('pause_reason'),
    pauseDetail: text('pause_detail'),
    probeAt: moment('probe_at'),
    probeFailures: integer('probe_failures').notNull().default(0),
    /** When a message was last sent, a few seconds behind: whether others passed since a message met a fault. */
    lastSentAt: moment('last_sent_at'),
    /** Random bytes that the addresses of erased persons are hashed with; null while none of them is suppressed. */
    erasedKey: bytea('erased_key'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [check('method_pause_kind', sql`${t.pauseKind} in ('operator', 'fault')`)],
);

/**
 * The workers that run, each with what it delivers. A worker writes its row every few seconds and deletes it when it
 * stops.
 */
export const worker = herald.table('worker', {
  name: text().primaryKey(),
  /** The delivery methods that it has a dispatcher for. */
  methods: text().array().notNull(),
  /** The version of pg-herald. */
  version: text().notNull(),
  startedAt: moment('started_at').notNull().defaultNow(),
  /** When it last wrote this row. A worker that has not for a minute is dead, or cannot reach the database. */
  seenAt: moment('seen_at').notNull().defaultNow(),
  /**
   * Whether NOTIFY reaches it; null while it does not know. False: it polls, as behind a pooler in transaction mode.
   */
  notified: boolean(),
  /**
   * The last error of each kind: `[{"what", "code", "at", "count"}]`, without anything that a receiver or a user
   * wrote.
   */
  errors: jsonb().notNull().default([]),
});

/**
 * The content that all messages of one enqueue call share, stored once. It is deleted with the last message, and with
 * the last one that is not erased: read it with `LEFT JOIN ... ON n.id = m.notification_id AND m.recipient_id <>
 * 'erased'`.
 */
export const notification = herald.table(
  'notification',
  {
    id: uuid().primaryKey(),
    labels: jsonb().notNull(),
    data: jsonb(),
    /** Further actions, after those of the template. */
    actions: jsonb(),
    traceContext: jsonb('trace_context'),
    /**
     * What the secret labels of the messages were encrypted for: a random id of the caller, which no other notification
     * can take. Null: they are in clear, or there are none.
     */
    sealId: uuid('seal_id'),
  },
  (t) => [uniqueIndex('notification_seal').on(t.sealId).where(sql`${t.sealId} is not null`)],
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
    /**
     * The recipient's field that the method requires, in lower case, for look-ups; null for methods that require
     * none.
     */
    address: text(),
    /**
     * Labels that the template declares secret, encrypted where the notification has a `seal_id`; null once settled.
     */
    secrets: jsonb(),
    targets: text().array().notNull(),
    endpointId: uuid('endpoint_id'),
    tenant: text(),
    groupKey: text('group_key'),
    unsubscribeUrl: text('unsubscribe_url'),
    dedupeKey: text('dedupe_key'),
    /** Number of the dedupe window since the epoch; 0 without a window. */
    dedupeSlot: bigint('dedupe_slot', { mode: 'number' }).notNull().default(0),
    /**
     * What a dedupe key counts for, beside its window and the recipient: the method, `*` where the template picks one
     * of several, or the method, a colon and the endpoint. In one text, because every one of them is part of one
     * unique index.
     */
    dedupeScope: text('dedupe_scope'),
    priority: smallint().notNull().default(0),
    /** Number of the template's step that it belongs to, from 1; null: it is one of the first messages. */
    step: smallint(),
    /** It is cancelled if the recipient has `seen`, `read` or `acknowledged` the notification; null: nothing does. */
    unless: text(),
    sendAt: moment('send_at'),
    /** The caller's choice: `send` or `drop` as in the template, or `pass`: quiet hours do not stop it. */
    quiet: text(),
    /** When the quiet hours end that it waited for before its first attempt; null: it did not wait for any. */
    quietUntil: moment('quiet_until'),
    expiresAt: moment('expires_at'),
    /** Infinity while held. */
    nextAttemptAt: moment('next_attempt_at').notNull(),
    /** Attempts opened so far; the number of the newest one. */
    attempts: integer().notNull().default(0),
    /** Attempts that count against the limit. Faults of the method or the sender do not. */
    counted: integer().notNull().default(0),
    maxAttempts: smallint('max_attempts'),
    /** Attempts whose worker died before it recorded the outcome. Such a message is delivered in isolation. */
    crashes: integer().notNull().default(0),
    /**
     * Attempts whose outcome is unknown, since the message was enqueued or retried by an operator. Each may have been
     * a copy.
     */
    unknowns: integer().notNull().default(0),
    /** Attempts in a row that were not counted: the next one waits longer. */
    uncounted: integer().notNull().default(0),
    /** When the first of them ended; they are counted once this is a day ago. */
    uncountedSince: moment('uncounted_since'),
    /**
     * When the last attempt met a fault of the method or of a sender. A second one while others pass is the message's
     * own.
     */
    faultAt: moment('fault_at'),
    unknown: text().notNull().default('retry'),
    leaseToken: uuid('lease_token'),
    leasedBy: text('leased_by'),
    attemptStartedAt: moment('attempt_started_at'),
    createdBy: text('created_by').notNull(),
    /** How many files travel along; they are rows of `attachment` under the notification's id. */
    attachments: smallint().notNull().default(0),
    createdAt: moment('created_at').notNull().defaultNow(),
    settledAt: moment('settled_at'),
  },
  (t) => [
    check(
      'message_status',
      sql`${t.status} in ('pending', 'sending', 'sent', 'failed', 'inhibited', 'cancelled', 'expired', 'held')`,
    ),
    check('message_quiet', sql`${t.quiet} in ('send', 'drop', 'pass')`),
    check('message_unknown', sql`${t.unknown} in ('retry', 'hold')`),
    check('message_unless', sql`${t.unless} in ('seen', 'read', 'acknowledged')`),
    // Read newest first, so backwards: an index in descending order would put nulls where ORDER BY does not expect
    // them. None depends on what opening an attempt writes (status, lease, counts), so that this update touches no
    // index.
    index('message_recipients').on(t.recipientId, t.createdAt, t.id),
    index('message_addresses').on(t.address, t.createdAt, t.id).where(sql`${t.address} is not null`),
    index('message_templates').on(t.template, t.createdAt, t.id),
    index('message_times').on(t.createdAt, t.id),
    index('message_reasons').on(t.createdAt, t.id).where(sql`${t.reason} is not null`),
    index('message_open').on(t.method, t.nextAttemptAt).where(sql`${t.settledAt} is null`),
    // The few messages that met a fault, for the operator who resumes their method.
    index('message_uncounted').on(t.method).where(sql`${t.uncountedSince} is not null and ${t.settledAt} is null`),
    index('message_endpoint').on(t.endpointId, t.createdAt).where(sql`${t.endpointId} is not null`),
    index('message_targets').using('gin', t.targets).where(sql`${t.targets} <> '{}'`),
    index('message_notification').on(t.notificationId),
    // The few lists of one tenant, also where row-level security leaves nothing else.
    index('message_tenants').on(t.tenant, t.createdAt, t.id).where(sql`${t.tenant} is not null`),
    // The few steps that may still become needless.
    index('message_steps')
      .on(t.recipientId, t.notificationId)
      .where(sql`${t.unless} is not null and ${t.settledAt} is null`),
    uniqueIndex('message_dedupe')
      .on(t.dedupeKey, t.dedupeSlot, t.recipientId, t.dedupeScope)
      .where(sql`${t.dedupeKey} is not null`),
  ],
);

/** One attempt to deliver a message. Written when it ends; until then the message row holds the open attempt. */
export const attempt = herald.table(
  'attempt',
  {
    messageId: uuid('message_id').notNull(),
    number: integer().notNull(),
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
    counted: boolean().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.messageId, t.number] }),
    check('attempt_outcome', sql`${t.outcome} in ('sent', 'retry', 'failed', 'unknown')`),
  ],
);

/** A recipient's choice. Without a row the template's default applies. */
export const preference = herald.table(
  'preference',
  {
    recipientId: text('recipient_id').notNull(),
    /**
     * `template`, `group`, or `all` with an empty subject. The most specific row wins, then the most specific method.
     */
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

/** An address that a method must no longer use, or may soon not use any more. */
export const suppression = herald.table(
  'suppression',
  {
    method: text().notNull(),
    /** In lower case; of an erased person, `erased:` and a hash with the method's `erased_key`. */
    address: text().notNull(),
    /**
     * `dead`: there is no such mailbox. `soft`: it takes nothing at present. `complaint`: the person reported spam;
     * mandatory messages still pass. `operator`: an operator decided it.
     */
    cause: text().notNull().default('operator'),
    reason: text().notNull(),
    /** Reports since the last success that there is no such mailbox; an operator's row has none. */
    hits: integer().notNull().default(0),
    /** The first of them. */
    firstAt: moment('first_at').notNull().defaultNow(),
    lastAt: moment('last_at').notNull().defaultNow(),
    /** Null while the reports do not suffice. */
    suppressedAt: moment('suppressed_at'),
    /** When the address is used again; null: when somebody lifts the suppression. */
    expiresAt: moment('expires_at'),
  },
  (t) => [
    primaryKey({ columns: [t.method, t.address] }),
    check('suppression_cause', sql`${t.cause} in ('dead', 'soft', 'complaint', 'operator')`),
  ],
);

/** What an operator set at run time, by key. */
export const setting = herald.table('setting', {
  key: text().primaryKey(),
  value: jsonb().notNull(),
  updatedBy: text('updated_by').notNull(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
});

/**
 * The state of one of a method's senders (a relay with its own address), for all replicas: a sender at fault is paused
 * and probed while the others continue. A row appears with the first result.
 */
export const sender = herald.table(
  'sender',
  {
    method: text().notNull(),
    name: text().notNull(),
    pausedAt: moment('paused_at'),
    pauseReason: text('pause_reason'),
    pauseDetail: text('pause_detail'),
    probeAt: moment('probe_at'),
    probeFailures: integer('probe_failures').notNull().default(0),
    /** Connections that the server allows, found by its refusals; null: as configured. */
    maxConnections: smallint('max_connections'),
    /** When its server last accepted a message, to the second. */
    succeededAt: moment('succeeded_at'),
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.method, t.name] })],
);

/**
 * What senders refused: the evidence that decides whether a message or its sender is at fault. `kind` is `refused`, or
 * `unknown` for an attempt that the sender may have accepted.
 */
export const refusal = herald.table(
  'refusal',
  {
    method: text().notNull(),
    sender: text().notNull(),
    kind: text().notNull(),
    messageId: uuid('message_id').notNull(),
    /** Number of the attempt that was refused last. */
    attempt: integer().notNull().default(0),
    /** Hash of the recipient's address. */
    recipient: text(),
    /** Command, codes and words of the reply, without anything that the message said. */
    reply: jsonb(),
    firstAt: moment('first_at').notNull().default(sql`clock_timestamp()`),
    at: moment('at').notNull().default(sql`clock_timestamp()`),
    /** When this refusal turned out to be the sender's fault. */
    putBackAt: moment('put_back_at'),
    putBacks: integer('put_backs').notNull().default(0),
    /** The message waits until the sender works again. */
    waiting: boolean().notNull().default(false),
    /** The message's secret labels, as stored there, while it may still be put back. */
    secrets: jsonb(),
  },
  (t) => [
    primaryKey({ columns: [t.method, t.sender, t.kind, t.messageId] }),
    check('refusal_kind', sql`${t.kind} in ('refused', 'unknown')`),
  ],
);

/** Token buckets that all replicas share. */
export const rateBucket = herald.table('rate_bucket', {
  key: text().primaryKey(),
  tokens: doublePrecision().notNull(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
});

/**
 * One receiver of webhooks or chat posts. The columns from `failures` on are the state of its circuit breaker, which
 * the dispatcher keeps for all replicas.
 */
export const endpoint = herald.table(
  'endpoint',
  {
    id: uuid().primaryKey().defaultRandom(),
    /** For people; one line. */
    name: text().notNull(),
    /** The delivery method whose dispatcher calls it. */
    method: text().notNull().default('webhook'),
    /** Whose it is. Both null: it receives what no other endpoint is selected for. */
    tenant: text(),
    recipientId: text('recipient_id'),
    /** Template groups that it receives; empty: all. */
    groups: text().array().notNull(),
    /** The host of the URL, for lists. */
    urlHost: text('url_host').notNull(),
    /** URL, secrets, headers and TLS material, encrypted and bound to the id. */
    sealed: text().notNull(),
    format: text().notNull().default('standard'),
    httpMethod: text('http_method').notNull().default('POST'),
    timeoutSeconds: doublePrecision('timeout_seconds').notNull().default(20),
    /** Which refusals are retried: `all` or `transient`. */
    retry: text().notNull().default('all'),
    /** Concurrent calls in one worker process. */
    maxConcurrency: smallint('max_concurrency').notNull().default(10),
    /** Over all replicas; null: the limit of the format. */
    requestsPerSecond: doublePrecision('requests_per_second'),
    disabledAt: moment('disabled_at'),
    /** `operator`, `gone` (410), `unusable` (URL, key or permission), `failing` (5 days). */
    disabledReason: text('disabled_reason'),
    failures: integer().notNull().default(0),
    faults: integer().notNull().default(0),
    failingSince: moment('failing_since'),
    warnedAt: moment('warned_at'),
    openedAt: moment('opened_at'),
    probeAt: moment('probe_at'),
    probing: boolean().notNull().default(false),
    probes: integer().notNull().default(0),
    windowAt: moment('window_at'),
    windowCalls: integer('window_calls').notNull().default(0),
    windowFaults: integer('window_faults').notNull().default(0),
    createdAt: moment('created_at').notNull().defaultNow(),
    /** When the settings changed, not the circuit breaker. */
    updatedAt: moment('updated_at').notNull().defaultNow(),
  },
  (t) => [
    check('endpoint_format', sql`${t.format} in ('standard', 'slack', 'teams', 'discord', 'pagerduty', 'ntfy')`),
    check('endpoint_http_method', sql`${t.httpMethod} in ('POST', 'PUT', 'PATCH')`),
    check('endpoint_timeout', sql`${t.timeoutSeconds} between 1 and 60`),
    check('endpoint_retry', sql`${t.retry} in ('all', 'transient')`),
    check('endpoint_max_concurrency', sql`${t.maxConcurrency} between 1 and 1000`),
    check('endpoint_requests_per_second', sql`${t.requestsPerSecond} > 0`),
    check('endpoint_disabled', sql`(${t.disabledAt} is null) = (${t.disabledReason} is null)`),
    check('endpoint_disabled_reason', sql`${t.disabledReason} in ('operator', 'gone', 'unusable', 'failing')`),
    index('endpoint_recipient').on(t.method, t.recipientId),
    index('endpoint_tenant').on(t.method, t.tenant),
  ],
);

/** A file of every message of one notification. */
export const attachment = herald.table(
  'attachment',
  {
    notificationId: uuid('notification_id').notNull(),
    /** From 1, in the order given. */
    position: smallint().notNull(),
    name: text().notNull(),
    contentType: text('content_type').notNull(),
    content: bytea().notNull(),
    /** Size of the content, for those who may not read it. */
    bytes: integer().generatedAlwaysAs(sql`octet_length(content)`),
  },
  (t) => [primaryKey({ columns: [t.notificationId, t.position] })],
);

/** What operators did: who, what, to what, and why. Rows are only added. */
export const audit = herald.table(
  'audit',
  {
    id: uuid().primaryKey().defaultRandom(),
    at: moment('at').notNull().defaultNow(),
    actor: text().notNull(),
    /** Login role of the connection that wrote it: with a shared token, `actor` is only a claim. */
    databaseUser: text('database_user').notNull().default(sql`SESSION_USER`),
    /** A command, for example `retry` or `pause`. */
    action: text().notNull(),
    /** What it was done to: a message id, a method, a template; null: see `detail`. */
    subject: text(),
    why: text(),
    /** Filter and count of an action on many. Never an address or a secret. */
    detail: jsonb(),
  },
  (t) => [index('audit_at').on(t.at, t.id), index('audit_subject').on(t.subject, t.at)],
);

/** Sessions of the console that were signed out before they expired. */
export const endedSession = herald.table('ended_session', {
  id: text().primaryKey(),
  expiresAt: moment('expires_at').notNull(),
});
