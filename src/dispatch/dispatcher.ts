/**
 * The contract of a delivery method, the only pluggable part of delivery. A dispatcher hands one rendered message to a
 * receiver and returns the result. It never throws for an expected failure: failure is a value.
 */
import type { Pool } from 'pg';
import type {
  Attachment,
  Brand,
  JsonValue,
  Logger,
  Outcome,
  Reason,
  Recipient,
  RenderedContent,
} from '../vocabulary.ts';

/** The template of a message. */
export interface DeliveredTemplate {
  /** Name of the template. */
  readonly name: string;
  /** The version that the content was rendered from. */
  readonly version: number;
  /** Group of the template. */
  readonly group: string;
  /** Recipients cannot opt out of it. */
  readonly mandatory?: boolean;
}

/** One message with everything that a dispatcher may use. Only `attempt` differs between attempts. */
export interface Delivery {
  /** UUID of the message: its stable identity at the receiver (Message-ID, webhook-id). */
  readonly messageId: string;
  /** The number of this attempt, from 1. */
  readonly attempt: number;
  /** The method of the message, for example `smtp`. */
  readonly method: string;
  /** The template and the version that the content was rendered from. */
  readonly template: DeliveredTemplate;
  /** As `enqueue` stored it. */
  readonly recipient: Recipient;
  /** The labels without those that the template declares secret. */
  readonly labels: Readonly<Record<string, string>>;
  /**
   * Values of secret labels that the content contains; empty if they are withheld. Use them only
   * to redact the receiver's reply before it is stored or logged.
   */
  readonly secrets?: readonly string[];
  /** Any JSON that the application attached; null if none. */
  readonly data: JsonValue;
  /** Ids of the things that the message is about. */
  readonly targets: readonly string[];
  /** The rendered message. It contains secret labels unless the dispatcher withholds them. */
  readonly content: RenderedContent;
  /** The brand of the application, or of the tenant. */
  readonly brand: Brand;
  /** When it was enqueued, or `sendAt` if that is later; the `Date` of the email and the `timestamp` of the webhook. */
  readonly createdAt: Date;
  /** No attempt is made after this time; null: never expires. */
  readonly expiresAt: Date | null;
  /** The sender that the template, or else the tenant, names (see the `senders` of `smtp`); null: the first. */
  readonly sender: string | null;
  /** Tenant of the application; selects senders and endpoints. */
  readonly tenant: string | null;
  /** Messages with the same group key belong together: an email thread, an incident. */
  readonly groupKey: string | null;
  /** The key by which the application made the notification unique. */
  readonly dedupeKey: string | null;
  /** Absolute https URL for one-click unsubscription (RFC 8058), if the message has one. */
  readonly unsubscribeUrl: string | null;
  /** Absolute URL of the page on which the recipient chooses what to receive, if the message has one. */
  readonly preferencesUrl?: string | null;
  /** Attached files; always empty unless the dispatcher sets `takesAttachments`. */
  readonly attachments?: readonly Attachment[];
  /** UUID of the endpoint that the message is for; null: the dispatcher's default. */
  readonly endpointId: string | null;
}

/** What the receiver said. Every field is redacted and bounded before it is stored. */
export interface Reply {
  /** SMTP reply code or HTTP status, for example `250` or `503`. */
  readonly code?: string;
  /** RFC 3463 enhanced status code, for example `4.2.0`. */
  readonly enhanced?: string;
  /** The receiver's text on one line, at most 512 characters. */
  readonly text?: string;
  /** The receiver's own id of the message. */
  readonly receiverId?: string;
}

/**
 * The result of one attempt:
 * - `sent`: the receiver accepted the message
 * - `retry`: not accepted now; another attempt follows
 * - `failed`: never accepted; no attempt follows
 * - `unknown`: it may have been accepted
 */
export type DispatchResult =
  | { readonly outcome: 'sent'; readonly detail?: string; readonly reply?: Reply }
  | {
      readonly outcome: Exclude<Outcome, 'sent'>;
      readonly reason: Reason;
      /** For an operator: at most 500 characters, no secret, no address, no body. */
      readonly detail: string;
      readonly reply?: Reply;
      /** With `retry`: the delay that the receiver asked for, in seconds. The retry schedule is a lower bound. */
      readonly retryAfterSeconds?: number;
      /** With `retry`: requeue the message without counting this attempt against its limit. Default: it counts. */
      readonly countAttempt?: false;
      /**
       * With `retry`: the method is at fault, not the message. The method is paused for every replica and probed at
       * growing intervals. The attempt is not counted.
       */
      readonly pauseMethod?: true;
      /**
       * With `retry` and `countAttempt: false`: the sender that was used is at fault, and another may take the
       * message. If the message hits such a fault again after others were sent, the worker counts it as the
       * message's own failure.
       */
      readonly senderFault?: true;
      /** With `pauseMethod`: the first probe comes no sooner than this. Default: `retryAfterSeconds`. */
      readonly probeAfterSeconds?: number;
      /** With `failed`: the recipient's address does not exist. A second such result a day later suppresses it. */
      readonly addressFault?: true;
      /** An operator should look at it, for example at a DMARC refusal: it is logged at warn and counted. */
      readonly alert?: true;
    };

/** The result of an attempt that did not succeed. */
export type FailedDispatch = Exclude<DispatchResult, { readonly outcome: 'sent' }>;

/** The same failure for one message alone: it is requeued and not counted, and the method keeps running. */
export function requeueUncounted<Failure extends FailedDispatch>(result: Failure, retryAfterSeconds: number) {
  const { pauseMethod: _, probeAfterSeconds: __, ...failure } = result;
  return { ...failure, countAttempt: false, retryAfterSeconds } as const;
}

/** What a dispatcher gets from the worker when it starts. */
export interface DispatcherServices {
  /** The name under which the worker knows the dispatcher. */
  readonly method: string;
  /** The worker's pool, for state that all replicas share (rate limits, circuits). Keep statements short. */
  readonly pool: Pool;
  /** Logs for this method. */
  readonly logger: Logger;
}

/** What a dispatcher gets with every message. */
export interface DispatchContext {
  /** Aborted if the deadline passes, the lease is lost or the worker must stop. */
  readonly signal: AbortSignal;
  /** Logs for this method. */
  readonly logger: Logger;
  /** W3C trace context (`traceparent`, `tracestate`) that a receiver may continue; null without tracing. */
  readonly traceContext?: Readonly<Record<string, string>> | null;
  /**
   * The message has met a fault of the method or a sender before, and others were sent since. A further such fault is
   * no evidence against the sender: the worker counts it as the message's own. Default false.
   */
  readonly faultIsOwn?: boolean;
}

/** What happens to a leased message that cannot go now. Operators see the detail. */
export type Deferral =
  /** Check it again at this time (database clock). */
  | { readonly at: Date; readonly detail: string }
  /** Hold it for an operator. */
  | { readonly at: null; readonly reason: Reason; readonly detail: string };

/** A delivery method, as given to `createWorker({ dispatchers })`. */
export interface Dispatcher {
  /** Concurrent dispatches in one worker process, 1 to 10,000. */
  readonly concurrency: number;
  /** Maximum duration of one dispatch in seconds, 1 to 900, after which its signal is aborted. */
  readonly timeoutSeconds: number;
  /**
   * Waits between attempts in seconds; the worker varies each by up to 20 %. By default a message gets one
   * attempt more than there are waits. `maxAttempts` of its template overrides that; then the last wait repeats.
   */
  readonly retryDelaysSeconds: readonly number[];
  /**
   * The receiver is not the recipient (a webhook, a channel), so labels that a template declares secret are masked in
   * the content. Default false.
   */
  readonly withholdSecrets?: boolean;
  /** Whether deliveries include attachments. Default false. */
  readonly takesAttachments?: boolean;
  /**
   * Checks settings and opens shared resources. Called once, before the first dispatch.
   *
   * @throws {ConfigurationError} if a setting is wrong.
   */
  start?(services: DispatcherServices): Promise<void>;
  /**
   * Decides which of these leased messages cannot go now, so that a receiver that is slow, dead or limited holds no
   * slot that another could use. Messages that are not in the map are sent. `admit` only decides: the worker
   * writes the message row and the job. No attempt is opened or counted.
   */
  admit?(messageIds: readonly string[]): Promise<ReadonlyMap<string, Deferral>>;
  /** Hands over one message. Must settle soon after `context.signal` is aborted. */
  dispatch(delivery: Delivery, context: DispatchContext): Promise<DispatchResult>;
  /** Closes connections. Called once, after the last dispatch. */
  close?(): Promise<void>;
}
