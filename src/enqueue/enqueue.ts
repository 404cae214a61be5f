/** The typed wrapper of the SQL function `herald.enqueue`: one round trip in the caller's transaction. */
import { type SQLWrapper, sql } from 'drizzle-orm';
import { run, runDrizzle, type Transaction } from '../database/connection.ts';
import { InvalidNotificationError } from '../errors.ts';
import type { MessageStatus, Reason, Recipient } from '../vocabulary.ts';
import type { TelemetryOptions } from '../telemetry/options.ts';
import type { DataOf, LabelsOf, Template } from '../templates/define.ts';
import { type CancelAnswer, type CancelBy, cancel } from './cancel.ts';
import { storableJson } from './json.ts';
import {
  checkNotification,
  type Notification,
  type NotificationOptions,
  notificationJson,
  withAttachments,
  type StoredNotification,
} from './notification.ts';
import { type EffectivePreference, type Preference, preferencesOf, setPreference } from './preferences.ts';
import { checkRecipients } from './recipients.ts';
import { createTracedEnqueue } from './telemetry.ts';

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
   * Looks up recipients that are given by id alone, in the caller's transaction: each id once. Must answer with one
   * recipient per id, in any order; an id without one is an error.
   */
  readonly recipients?: (tx: Transaction, ids: readonly string[]) => Promise<readonly Recipient[]>;
  /** Encrypts the labels that a template declares secret (see `secretBox`). Default: they are stored as they are, apart. */
  readonly encryptLabels?: (secrets: Readonly<Record<string, string>>, template: string) => Record<string, string>;
  /** Where the span of each enqueue goes. Default: OpenTelemetry's global provider, whenever it is registered. */
  readonly telemetry?: Pick<TelemetryOptions, 'tracerProvider'>;
}

export interface Herald {
  /**
   * Writes the messages and their jobs in the caller's transaction, in one statement. If the transaction commits they
   * will be delivered; if it rolls back they never existed. Answers with the messages in the order of recipients and
   * methods, and after them those that stood already under the dedupe key. Throws InvalidNotificationError before it writes.
   */
  enqueue<T extends Template>(tx: Transaction, template: T, notification: Notification<T>): Promise<EnqueuedMessage[]>;
  /**
   * The same for every row of a query that runs in the caller's transaction: columns `id` (text or a number) and, as far
   * as they exist, `email`, `name`, `locale`, `timeZone`; 100,000 rows at most. Set-based: nothing passes through this
   * process. A row whose address is none does not stop the others: its message is `inhibited`, with the reason
   * `invalid_address` or `no_address`.
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
  /** A Drizzle `sql` or `select`, or text with `$1`... and its values (each bound as text). */
  readonly recipients: SQLWrapper | { readonly text: string; readonly values?: readonly string[] };
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
  const traced = createTracedEnqueue(options.telemetry);
  return {
    async enqueue(tx, template, notification) {
      const { to, labels, data, traceContext: given, ...rest } = notification;
      const write = async (traceContext: Pick<NotificationOptions, 'traceContext'>) => {
        const json = await optionsJson(template, { labels, data }, { ...rest, ...traceContext });
        const recipients = storableJson(await resolve(tx, to, options));
        const rows = await call<Row>(tx, `${json.slice(0, -1)},"to":${recipients}}`);
        return rows.map(messageOf);
      };
      return traced({ template: template.name, given }, write, (messages) => ({
        count: messages.length,
        messageId: messages.length === 1 ? (messages[0]?.id ?? null) : null,
      }));
    },
    async enqueueFrom(tx, template, notification) {
      const { recipients, labels, data, traceContext: given, ...rest } = notification;
      const write = async (traceContext: Pick<NotificationOptions, 'traceContext'>) => {
        const all = { ...rest, ...traceContext };
        const json = await optionsJson(template, { labels, data }, all, { invalidAddress: 'inhibit' });
        const rows = await fromQuery(tx, recipients, json);
        return rows.map((row) => ({ ...row, count: Number(row.count) }));
      };
      return traced({ template: template.name, given }, write, (counts) => ({
        count: counts.reduce((sum, { count }) => sum + count, 0),
        messageId: null,
      }));
    },
    cancel: (tx, by) => withClearErrors(() => cancel(tx, by)),
    setPreference: (tx, preference) => withClearErrors(() => setPreference(tx, preference)),
    preferencesOf,
  };

  async function optionsJson(
    template: Template,
    input: { labels: unknown; data?: unknown },
    rest: NotificationOptions,
    more: StoredNotification = {},
  ): Promise<string> {
    const stored = await checkNotification(template, input, rest);
    const json = notificationJson({ ...withSecrets(stored, template, options.encryptLabels), ...more });
    return withAttachments(json, rest.attachments);
  }
}

const messageOf = (row: Row): EnqueuedMessage => ({
  id: row.message_id,
  recipientId: row.recipient_id,
  method: row.method,
  status: row.status,
  reason: row.reason,
  deduplicated: row.deduplicated,
});

/** Takes the secret labels out of the others and puts them beside them, encrypted where that is wanted. */
function withSecrets(
  stored: StoredNotification,
  template: Template,
  encryptLabels: HeraldOptions['encryptLabels'] = (secrets) => ({ ...secrets }),
): StoredNotification {
  if (template.secrets.length === 0) return stored;
  const all = Object.entries(stored['labels'] as Record<string, string>);
  const secrets = Object.fromEntries(all.filter(([name]) => template.secrets.includes(name)));
  const labels = Object.fromEntries(all.filter(([name]) => !template.secrets.includes(name)));
  return { ...stored, labels, secrets: encryptLabels(secrets, template.name) };
}

/** The recipients as they are stored: one, or an array of them, as the caller gave it. */
async function resolve(
  tx: Transaction,
  to: Notification<Template>['to'],
  options: HeraldOptions,
): Promise<Recipient | Recipient[]> {
  const given: readonly (Recipient | string)[] = Array.isArray(to) ? to : [to];
  const place = (index: number) => (given === to ? `to[${index}]` : 'to');
  const found = await lookUp(tx, [...new Set(given.filter((entry) => typeof entry === 'string'))], options);
  const missing = given.flatMap((entry, index) =>
    typeof entry === 'string' && !found.has(entry)
      ? [{ path: place(index), message: 'the resolver found no recipient with this id' }]
      : [],
  );
  if (missing.length > 0) throw new InvalidNotificationError(missing.slice(0, 100));
  const recipients = given.map((entry) => (typeof entry === 'string' ? found.get(entry) : entry));
  const checked = checkRecipients(recipients, place);
  const [only] = checked;
  return given === to || only === undefined ? checked : only;
}

async function lookUp(
  tx: Transaction,
  ids: readonly string[],
  options: HeraldOptions,
): Promise<ReadonlyMap<string, Recipient>> {
  if (ids.length === 0) return new Map();
  if (options.recipients === undefined)
    throw new InvalidNotificationError([
      { path: 'to', message: 'recipients are given by id, but createHerald was given no `recipients` resolver' },
    ]);
  return new Map((await options.recipients(tx, ids)).map((recipient) => [recipient.id, recipient]));
}

// The caller's query stands on lines of its own, so that a comment at its end hides nothing of ours.
const fromQueryParts = [
  `SELECT method, status, reason, deduplicated, count(*)::text AS count FROM herald.enqueue(jsonb_set(`,
  `::text::jsonb, '{to}', (SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM (\n`,
  `\n) AS r))) GROUP BY method, status, reason, deduplicated ORDER BY method, status, reason, deduplicated`,
] as const;

interface Counted extends Omit<EnqueuedCount, 'count'> {
  count: string;
}

async function fromQuery(tx: Transaction, query: FromQuery<Template>['recipients'], json: string): Promise<Counted[]> {
  const [head, middle, tail] = fromQueryParts;
  return withClearErrors(async () => {
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
    return runDrizzle<Counted>(tx, sql`${sql.raw(head)}${json}${sql.raw(middle)}${query}${sql.raw(tail)}`);
  });
}

function call<R>(tx: Transaction, json: string): Promise<R[]> {
  return withClearErrors(() => run<R>(tx, { text: 'SELECT * FROM herald.enqueue($1::text::jsonb)', values: [json] }));
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
    const message = textOf(at, 'message').replace(/^herald: /, '');
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
