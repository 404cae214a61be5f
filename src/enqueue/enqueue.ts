/** The typed wrapper of the SQL function `herald.enqueue`: one round trip in the caller's transaction. */
import { type SQL, sql } from 'drizzle-orm';
import { type DrizzleTransaction, run, type Transaction } from '../database/connection.ts';
import { InvalidNotificationError } from '../errors.ts';
import type { MessageStatus, Reason, Recipient } from '../notification.ts';
import type { DataOf, LabelsOf, Template } from '../templates/define.ts';
import { type CancelAnswer, type CancelBy, cancel } from './cancel.ts';
import {
  checkNotification,
  checkRecipients,
  type Notification,
  type NotificationOptions,
  type StoredNotification,
  storableJson,
} from './notification.ts';
import { type EffectivePreference, type Preference, preferencesOf, setPreference } from './preferences.ts';

/** A message as it was just written, or as it stood already under this dedupe key. */
export interface EnqueuedMessage {
  readonly id: string;
  readonly recipientId: string;
  readonly method: string;
  /** `pending`, or `inhibited` with a reason; of a deduplicated message whatever it is by now. */
  readonly status: MessageStatus;
  readonly reason: Reason | null;
  readonly deduplicated: boolean;
}

/** How many messages a set-based enqueue made, by method and status. */
export interface EnqueuedCount {
  readonly method: string;
  readonly status: MessageStatus;
  readonly reason: Reason | null;
  readonly deduplicated: boolean;
  readonly count: number;
}

export interface HeraldOptions {
  /**
   * Looks up recipients that are given by id alone, in the caller's transaction. Must answer with one recipient per id;
   * an id without one is an error.
   */
  readonly recipients?: (tx: Transaction, ids: readonly string[]) => Promise<readonly Recipient[]>;
  /** Encrypts the labels that a template declares secret (see `secretBox`). Default: they are stored as they are, apart. */
  readonly conceal?: (secrets: Readonly<Record<string, string>>, template: string) => Record<string, string>;
}

export interface Herald {
  /**
   * Writes the messages and their jobs in the caller's transaction, in one statement. If the transaction commits they
   * will be delivered; if it rolls back they never existed. Throws InvalidNotificationError before it writes.
   */
  enqueue<T extends Template>(tx: Transaction, template: T, notification: Notification<T>): Promise<EnqueuedMessage[]>;
  /**
   * The same for every row of a query that runs in the caller's transaction: columns `id` (text) and, as far as they
   * exist, `email`, `name`, `locale`, `timeZone`. Set-based: nothing passes through this process.
   */
  enqueueFrom<T extends Template>(tx: Transaction, template: T, notification: FromQuery<T>): Promise<EnqueuedCount[]>;
  /** Cancels in the caller's transaction and answers at once, per message. */
  cancel(tx: Transaction, by: CancelBy): Promise<CancelAnswer[]>;
  /** Stores what a recipient wants; an enqueue after it in the same transaction sees it. */
  setPreference(tx: Transaction, preference: Preference): Promise<void>;
  /** What a recipient gets at present, by template and method. */
  preferencesOf(tx: Transaction, recipientId: string): Promise<EffectivePreference[]>;
}

/** A notification whose recipients are the rows of a query. */
export interface FromQuery<T extends Template> extends NotificationOptions {
  /** A Drizzle `sql`, or text with `$1`... and its values (each bound as text). */
  readonly recipients: SQL | { readonly text: string; readonly values?: readonly string[] };
  readonly labels: LabelsOf<T>;
  readonly data?: DataOf<T>;
}

interface Row {
  message_id: string;
  recipient_id: string;
  method: string;
  status: MessageStatus;
  reason: Reason | null;
  deduplicated: boolean;
}

/** Creates the enqueuing side. It holds no connection: everything happens in the transactions it is given. */
export function createHerald(options: HeraldOptions = {}): Herald {
  return {
    async enqueue(tx, template, notification) {
      const { to, labels, data, ...rest } = notification;
      const stored = await storedNotification(template, { labels, data }, rest);
      const recipients = await resolve(tx, Array.isArray(to) ? to : [to], options);
      const rows = await call<Row>(tx, 'SELECT * FROM herald.enqueue($1::text::jsonb)', { ...stored, to: recipients });
      return rows.map((row) => ({
        id: row.message_id,
        recipientId: row.recipient_id,
        method: row.method,
        status: row.status,
        reason: row.reason,
        deduplicated: row.deduplicated,
      }));
    },
    async enqueueFrom(tx, template, notification) {
      const { recipients, labels, data, ...rest } = notification;
      const stored = await storedNotification(template, { labels, data }, rest);
      const rows = await fromQuery(tx, recipients, storableJson(stored));
      return rows.map((row) => ({ ...row, count: Number(row.count) }));
    },
    cancel,
    setPreference: (tx, preference) => withClearErrors(() => setPreference(tx, preference)),
    preferencesOf,
  };

  async function storedNotification(
    template: Template,
    input: { labels: unknown; data?: unknown },
    rest: NotificationOptions,
  ) {
    const stored = await checkNotification(template, input, rest);
    return options.conceal === undefined || template.secrets.length === 0
      ? stored
      : withSecrets(stored, template, options.conceal);
  }
}

/** Takes the secret labels out of the others and puts them, encrypted, beside them. */
function withSecrets(
  stored: StoredNotification,
  template: Template,
  conceal: NonNullable<HeraldOptions['conceal']>,
): StoredNotification {
  const all = Object.entries(stored.labels as Record<string, string>);
  const secrets = Object.fromEntries(all.filter(([name]) => template.secrets.includes(name)));
  const labels = Object.fromEntries(all.filter(([name]) => !template.secrets.includes(name)));
  return { ...stored, labels, secrets: conceal(secrets, template.name) };
}

async function resolve(
  tx: Transaction,
  to: readonly (Recipient | string)[],
  options: HeraldOptions,
): Promise<Recipient[]> {
  const ids = to.filter((entry) => typeof entry === 'string');
  if (ids.length === 0) return checkRecipients(to);
  if (options.recipients === undefined)
    throw new InvalidNotificationError([
      { path: 'to', message: 'recipients are given by id, but createHerald was given no `recipients` resolver' },
    ]);
  const found = new Map((await options.recipients(tx, ids)).map((recipient) => [recipient.id, recipient]));
  const missing = ids.filter((id) => !found.has(id));
  if (missing.length > 0)
    throw new InvalidNotificationError(
      missing
        .slice(0, 20)
        .map((id) => ({ path: 'to', message: `the resolver found no recipient with the id "${id}"` })),
    );
  return checkRecipients(to.map((entry) => (typeof entry === 'string' ? found.get(entry) : entry)));
}

const fromQueryParts = [
  `SELECT method, status, reason, deduplicated, count(*)::text AS count FROM herald.enqueue(jsonb_set(`,
  `::text::jsonb, '{to}', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(r))), '[]') FROM (`,
  `) AS r))) GROUP BY method, status, reason, deduplicated`,
] as const;

async function fromQuery(tx: Transaction, query: FromQuery<Template>['recipients'], json: string) {
  type Counted = { method: string; status: MessageStatus; reason: Reason | null; deduplicated: boolean; count: string };
  const [head, middle, tail] = fromQueryParts;
  return withClearErrors(async (): Promise<Counted[]> => {
    if ('text' in query) {
      const values = query.values ?? [];
      return run<Counted>(tx, {
        text: `${head}$${values.length + 1}${middle}${query.text}${tail}`,
        values: [...values, json],
      });
    }
    if (!('execute' in tx))
      throw new InvalidNotificationError([
        { path: 'recipients', message: 'is a Drizzle query, but tx is no Drizzle transaction; pass { text, values }' },
      ]);
    const result = await (tx as DrizzleTransaction).execute(
      sql`${sql.raw(head)}${json}${sql.raw(middle)}${query}${sql.raw(tail)}`,
    );
    return Array.isArray(result) ? [...result] : (result as { rows: Counted[] }).rows;
  });
}

function call<R>(tx: Transaction, text: string, value: object): Promise<R[]> {
  return withClearErrors(() => run<R>(tx, { text, values: [storableJson(value)] }));
}

/** Errors that the SQL function raises about the input come back as ours; all others pass through untouched. */
async function withClearErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const raised = raisedByHerald(error);
    if (raised === null) throw error;
    // Without the cause: Drizzle's error quotes every parameter, addresses included.
    throw new InvalidNotificationError([raised]);
  }
}

/** Drizzle wraps the driver's error, whose message would quote all parameters; the cause is what Postgres said. */
function raisedByHerald(error: unknown): { path: string; message: string } | null {
  for (let at = error; typeof at === 'object' && at !== null; at = 'cause' in at ? at.cause : null) {
    if (!/^HE\d{3}$/.test(textOf(at, 'code'))) continue;
    const message = textOf(at, 'message').replace(/^herald\.enqueue: /, '');
    const hint = textOf(at, 'hint');
    // pg calls the field `column`, postgres-js `column_name`.
    const path = textOf(at, 'column') || textOf(at, 'column_name');
    return { path, message: hint ? `${message}. ${hint}` : message };
  }
  return null;
}

function textOf(from: object, field: string): string {
  const value: unknown = Reflect.get(from, field);
  return typeof value === 'string' ? value : '';
}
