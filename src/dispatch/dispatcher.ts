/**
 * The contract of a delivery method: the only pluggable seam. A dispatcher hands one rendered message to the
 * outside world and says what came of it. It never throws for an expected failure: failure is a value.
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

/** One message on its way, with everything a dispatcher may use. The same for every attempt but `attempt`. */
export interface Delivery {
  /** UUID of the message: the stable identity towards the receiver (Message-ID, webhook-id). */
  readonly messageId: string;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  readonly method: string;
  readonly template: { readonly name: string; readonly version: number; readonly group: string };
  readonly recipient: Recipient;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: JsonValue;
  readonly targets: readonly string[];
  readonly content: RenderedContent;
  readonly brand: Brand;
  /** When it was enqueued; also the `Date` of the mail and the `timestamp` of the webhook. */
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  /** The sender that the template asks for by name (`smtp`'s `senders`); null: the first. */
  readonly sender: string | null;
  /** Tenant of the application, for brand, sender and endpoints. */
  readonly tenant: string | null;
  /** Messages with one group key belong together (a mail thread, a chat thread, an incident). */
  readonly groupKey: string | null;
  readonly dedupeKey: string | null;
  /** Absolute https URL for one-click unsubscription (RFC 8058), if the message carries one. */
  readonly unsubscribeUrl: string | null;
  /** Files that travel along; only where the dispatcher says that it takes them. */
  readonly attachments?: readonly Attachment[];
  /** Webhook endpoint the message was addressed to; null: the dispatcher's default. */
  readonly endpointId: string | null;
}

/** What the receiver said. All fields are redacted and bounded before they are stored. */
export interface Reply {
  /** SMTP reply code or HTTP status, for example `250` or `503`. */
  readonly code?: string;
  /** RFC 3463 enhanced status code, for example `4.2.0`. */
  readonly enhanced?: string;
  /** The receiver's words, one line, at most 512 characters. */
  readonly text?: string;
  /** The id under which the receiver knows the message. */
  readonly receiverId?: string;
}

/** What came of one attempt. */
export type DispatchResult =
  | { readonly outcome: 'sent'; readonly detail?: string; readonly reply?: Reply }
  | {
      readonly outcome: Exclude<Outcome, 'sent'>;
      readonly reason: Reason;
      /** For an operator: at most 500 characters, no secret, no address, no body. */
      readonly detail: string;
      readonly reply?: Reply;
      /** With `retry`: the receiver asked for this delay (Retry-After); the schedule is a lower bound. */
      readonly retryAfterSeconds?: number;
      /** With `retry`: false requeues the message without counting this attempt against its limit. Default true. */
      readonly countAttempt?: false;
      /**
       * With `retry`: the method itself is at fault, not the message. The method is paused for every replica and probed
       * with growing intervals. The attempt is not counted.
       */
      readonly pauseMethod?: true;
      /** With `failed`: the recipient's address is bad for good; a second such verdict a day later suppresses it. */
      readonly addressFault?: true;
      /** Ask the operator to look (logged at warn, counted), for example a DMARC refusal. */
      readonly alert?: true;
    };

/** What came of an attempt that did not succeed. */
export type FailedDispatch = Exclude<DispatchResult, { readonly outcome: 'sent' }>;

/** The same failure as that of one message: it is requeued without being counted, and the method keeps running. */
export function requeueUncounted<Failure extends FailedDispatch>(result: Failure, retryAfterSeconds: number) {
  const { pauseMethod: _, ...failure } = result;
  return { ...failure, countAttempt: false, retryAfterSeconds } as const;
}

/** What the worker gives to a dispatcher when it starts. */
export interface DispatcherServices {
  readonly method: string;
  /** Pool of the worker, for state that all replicas share (rate limits, circuits). Keep statements short. */
  readonly pool: Pool;
  readonly logger: Logger;
}

export interface DispatchContext {
  /** Aborted when the deadline passes, the lease is lost or the worker must stop. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** W3C trace context (`traceparent`, `tracestate`) that a receiver may go on with; null where nobody traces. */
  readonly traceContext?: Readonly<Record<string, string>> | null;
}

/** What happens to a leased message that cannot go now. The detail is shown to operators. */
export type Deferral =
  /** It is looked at again at this time, by the database's clock. */
  | { readonly at: Date; readonly detail: string }
  /** It waits for an operator. */
  | { readonly at: null; readonly reason: Reason; readonly detail: string };

export interface Dispatcher {
  /** Messages in flight at once in one worker process; 1 to 10,000. */
  readonly concurrency: number;
  /** Longest time one dispatch may take before its signal is aborted, in seconds; 1 to 900. */
  readonly timeoutSeconds: number;
  /**
   * Waits between attempts in seconds; the worker adds 20 % jitter either way. A message fails after one attempt more
   * than there are waits, unless its template sets `maxAttempts`; then the last wait repeats.
   */
  readonly retryDelaysSeconds: readonly number[];
  /**
   * The receiver is not the recipient (a webhook, a channel): labels that a template declares secret are blacked out in
   * what this dispatcher is given. Default false.
   */
  readonly withholdSecrets?: boolean;
  /** Whether it can carry files; others are not given any. Default false. */
  readonly takesAttachments?: boolean;
  /** Checks settings and opens what is shared. Throws ConfigurationError. Called once, before the first dispatch. */
  start?(services: DispatcherServices): Promise<void>;
  /**
   * Decides which of these leased messages cannot go now, so that a receiver that is slow, dead or limited holds no slot
   * that another could use. A message that is missing from the map goes. Only decides: the worker writes the message row
   * and the job. No attempt is opened or counted.
   */
  admit?(messageIds: readonly string[]): Promise<ReadonlyMap<string, Deferral>>;
  /** Hands the message over. Must settle soon after `context.signal` aborts. */
  dispatch(delivery: Delivery, context: DispatchContext): Promise<DispatchResult>;
  /** Ends connections. Called once, after the last dispatch. */
  close?(): Promise<void>;
}
