/** The typed wrapper of the SQL function `herald.enqueue`: one round trip in the caller's transaction. */
import { type Connection, run, type Transaction } from '../database/caller-transaction.ts';
import { InvalidNotificationError } from '../errors.ts';
import type { EncryptLabels } from '../secrets.ts';
import type { TelemetryOptions } from '../telemetry/options.ts';
import type { RequiredData, Template } from '../templates/define.ts';
import type { MessageStatus, Reason } from '../vocabulary.ts';
import { type Acknowledged, type AcknowledgeBy, acknowledge } from './acknowledge.ts';
import { type CancelAnswer, type CancelBy, cancel } from './cancel.ts';
import { type EnqueuedCount, enqueueRows, type FromQuery } from './from-query.ts';
import {
  checkNotification,
  type Notification,
  type NotificationOptions,
  notificationJson,
  requireInput,
} from './notification.ts';
import { type EffectivePreference, type Preference, preferencesOf, setPreference } from './preferences.ts';
import {
  type EffectiveHours,
  type HoursQuestion,
  type QuietHours,
  quietHoursOf,
  setQuietHours,
} from './quiet-hours.ts';
import { type RecipientResolver, resolveRecipients } from './recipients.ts';
import { createPreparation } from './preparation.ts';
import { throwRefusal, withClearErrors } from './sql-errors.ts';
import { createTracedEnqueue } from './telemetry.ts';

/** A message that was just written, or that an earlier enqueue wrote under the same dedupe key. */
export interface EnqueuedMessage {
  /** Id of the message, a UUID. */
  readonly id: string;
  /** Id of the recipient. */
  readonly recipientId: string;
  /** For example `smtp`. */
  readonly method: string;
  /** `pending`, or `inhibited` or `expired` with a reason. Of a deduplicated message: its present status. */
  readonly status: MessageStatus;
  /** Why it is `inhibited`, or `quiet_hours` for a pending one that waits for their end; null for the others. */
  readonly reason: Reason | null;
  /** True if it existed already under this dedupe key. */
  readonly deduplicated: boolean;
}

/** What `createHerald` may be told. */
export interface HeraldOptions {
  /**
   * Looks up recipients that are given only by id, in the caller's transaction. An id without a recipient is an
   * error.
   */
  readonly recipients?: RecipientResolver;
  /**
   * Encrypts the labels that a template declares secret, in its file or in code. See `labelSecrets`. Without it, a
   * notification with a secret label is refused.
   */
  readonly encryptLabels?: EncryptLabels;
  /** Store secret labels as plain text if there is no `encryptLabels`, for example in tests. Default false. */
  readonly allowPlainSecrets?: boolean;
  /** Where the span of each enqueue goes. Default: OpenTelemetry's global provider, as soon as it is registered. */
  readonly telemetry?: Pick<TelemetryOptions, 'tracerProvider'>;
}

/** What an enqueue runs on: an open transaction, or also a pool or a database where `autocommit` is true. */
export type Committing<Autocommit extends boolean> = Autocommit extends true ? Connection : Transaction;

/** The enqueuing side of pg-herald. Every method runs in the caller's transaction. */
export interface Herald {
  /**
   * Writes the messages and their jobs in one statement. If the transaction commits they will be delivered; if it rolls
   * back they never existed. Returns the messages in the order of recipients and methods, and after them those that an
   * earlier enqueue wrote under the same dedupe key.
   * @throws {InvalidNotificationError} if the notification is wrong, before anything is written; or if no transaction
   * is open and `autocommit` is not true.
   */
  enqueue<T extends Template, Autocommit extends boolean = false>(
    tx: Committing<Autocommit>,
    template: T,
    notification: Notification<T> & RequiredData<T> & { readonly autocommit?: Autocommit },
  ): Promise<EnqueuedMessage[]>;
  /**
   * Does the same for every row of a query: columns `id` (text or a number) and, as far as they exist, `email`, `name`,
   * `locale`, `timeZone`; at most 100,000 rows. Set-based: no row passes through this process. A row without a valid
   * address does not stop the others: its message becomes `inhibited` with reason `invalid_address` or `no_address`.
   * @throws {InvalidNotificationError} if `enqueue` would throw it.
   */
  enqueueFrom<T extends Template, Autocommit extends boolean = false>(
    tx: Committing<Autocommit>,
    template: T,
    notification: FromQuery<T> & RequiredData<T> & { readonly autocommit?: Autocommit },
  ): Promise<EnqueuedCount[]>;
  /**
   * Cancels messages and returns the result per message.
   * @throws {InvalidNotificationError} if `by` names nothing.
   */
  cancel(tx: Transaction, by: CancelBy): Promise<CancelAnswer[]>;
  /**
   * Records that a recipient has acknowledged notifications, which includes reading them, and cancels the later steps
   * that this makes needless. Returns how many of each.
   * @throws {InvalidNotificationError} if `by` names no recipient, or nothing to acknowledge.
   */
  acknowledge(tx: Connection, by: AcknowledgeBy): Promise<Acknowledged>;
  /**
   * Stores what a recipient wants; an enqueue after it in the same transaction sees it.
   * @throws {InvalidNotificationError} if template, group or method is unknown, or the template is mandatory.
   */
  setPreference(tx: Connection, preference: Preference): Promise<void>;
  /** Returns what a recipient gets at present, by template and method. */
  preferencesOf(tx: Connection, recipientId: string): Promise<EffectivePreference[]>;
  /**
   * Stores when messages may reach a recipient, the recipients of a tenant, or everybody; null windows remove that.
   * Messages that wait for quiet hours to end follow the change.
   * @throws {InvalidNotificationError} if a window or the time zone is wrong.
   */
  setQuietHours(tx: Connection, hours: QuietHours): Promise<void>;
  /** Returns whose hours apply to a recipient, and when they are open next. */
  quietHoursOf(tx: Connection, question: HoursQuestion): Promise<EffectiveHours>;
}

/** Creates the enqueuing side. It holds no connection: everything happens in the transactions it is given. */
export function createHerald(options: HeraldOptions = {}): Herald {
  const traced = createTracedEnqueue(options.telemetry);
  const preparation = createPreparation(options);
  return {
    async enqueue(tx, template, notification) {
      requireInput(template, notification);
      const { to, labels, data, traceContext: given, ...rest }: Notification<typeof template> = notification;
      const write = async (traceContext: Pick<NotificationOptions, 'traceContext'>) => {
        const [checked, recipients] = await together(
          checkNotification(template, { labels, data }, { ...rest, ...traceContext }),
          resolveRecipients(tx, to, { ...options, strict: rest.strict }),
        );
        const recipient = Array.isArray(recipients) ? recipients[0] : recipients;
        const stored = await preparation.prepare(tx, template, { checked, recipient });
        const json = notificationJson(stored, { to: recipients, attachments: rest.attachments });
        return preparation.forgetIfRefused(template, () => callEnqueue(tx, json));
      };
      return traced({ template: template.name, given }, write, (messages) => ({
        count: messages.length,
        messageId: messages.length === 1 ? (messages[0]?.id ?? null) : null,
      }));
    },
    async enqueueFrom(tx, template, notification) {
      requireInput(template, notification);
      const { recipients, labels, data, traceContext: given, ...rest }: FromQuery<typeof template> = notification;
      const write = async (traceContext: Pick<NotificationOptions, 'traceContext'>) => {
        const checked = await checkNotification(template, { labels, data }, { ...rest, ...traceContext });
        const stored = await preparation.prepare(tx, template, { checked });
        const json = notificationJson(stored, { attachments: rest.attachments });
        return preparation.forgetIfRefused(template, () => enqueueRows(tx, recipients, json));
      };
      return traced({ template: template.name, given }, write, (counts) => ({
        count: counts.reduce((sum, { count }) => sum + count, 0),
        messageId: null,
      }));
    },
    cancel: (tx, by) => withClearErrors(() => cancel(tx, by)),
    acknowledge: (tx, by) => withClearErrors(() => acknowledge(tx, by)),
    setPreference: (tx, preference) => withClearErrors(() => setPreference(tx, preference)),
    preferencesOf,
    setQuietHours: (tx, hours) => withClearErrors(() => setQuietHours(tx, hours)),
    quietHoursOf,
  };
}

/** Waits for both checks, so that one error names what both find. */
async function together<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  const settled = await Promise.allSettled([first, second]);
  const errors: unknown[] = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  if (errors.length > 1 && errors.every((error) => error instanceof InvalidNotificationError))
    throw new InvalidNotificationError(errors.flatMap((error) => error.issues));
  return Promise.all([first, second]);
}

interface EnqueueRow {
  readonly message_id: string;
  readonly recipient_id: string;
  readonly method: string;
  readonly status: MessageStatus;
  readonly reason: Reason | null;
  readonly deduplicated: boolean;
}

async function callEnqueue(tx: Connection, json: string): Promise<EnqueuedMessage[]> {
  const statement = { text: 'SELECT * FROM herald.enqueue($1::text::jsonb)', values: [json] };
  const rows = await withClearErrors(() => run<EnqueueRow>(tx, statement));
  throwRefusal(rows);
  return rows.map(({ message_id: id, recipient_id: recipientId, method, status, reason, deduplicated }) => ({
    id,
    recipientId,
    method,
    status,
    reason,
    deduplicated,
  }));
}
