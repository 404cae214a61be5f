/** An attempt: what is known of its message, what it tells, and what is decided after it. Types only. */
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import type { LeasedJob } from '../queue/queue.ts';
import type { TraceContext } from '../telemetry/trace-context.ts';
import type { Action, JsonValue, MessageStatus, Recipient } from '../vocabulary.ts';

/** A message whose attempt is open. */
export interface OpenMessage {
  readonly id: string;
  readonly attempt: number;
  /** Attempts before this one that count against the limit. */
  readonly counted: number;
  /** Attempts before this one whose outcome is unknown. */
  readonly unknowns: number;
  /** Attempts in a row before this one that were not counted. */
  readonly uncounted: number;
  /** How long ago the first of them ended, in seconds; null: the last attempt was counted, or there was none. */
  readonly uncountedSeconds: number | null;
  /** It met a fault of the method or a sender, and others were sent since: a further such fault is its own. */
  readonly faultIsOwn: boolean;
  readonly maxAttempts: number | null;
  readonly unknown: 'retry' | 'hold';
  readonly template: string;
  readonly templateVersion: number;
  readonly group: string;
  /** Recipients cannot opt out of the template. */
  readonly mandatory: boolean;
  readonly sender: string | null;
  /** `schema.function` that is asked before it is sent; null: none. */
  readonly guard: string | null;
  /** Whether the recipient guard is asked about its recipient, if there is one. */
  readonly recipientGuard: boolean;
  /** Whether a later step of the notification waits for its acknowledgement. */
  readonly acknowledgeable: boolean;
  /** As it was enqueued, or as the recipient guard returned it for this attempt. */
  recipient: Recipient;
  readonly labels: Record<string, string>;
  readonly secrets: Record<string, string> | null;
  /** What the secrets were encrypted for; null: they are in clear. */
  readonly sealId: string | null;
  readonly data: JsonValue;
  readonly actions: readonly Action[] | null;
  readonly targets: string[];
  readonly endpointId: string | null;
  readonly tenant: string | null;
  readonly groupKey: string | null;
  readonly unsubscribeUrl: string | null;
  readonly dedupeKey: string | null;
  /** When it was enqueued, or when it was to be sent if that was later, in milliseconds since the epoch. */
  readonly createdAtMs: number;
  /** Likewise. */
  readonly expiresAtMs: number | null;
  readonly notificationId: string;
  /** How many attachments it has, and their size together. */
  readonly attachments: number;
  readonly fileBytes: number;
  readonly traceContext: Record<string, string> | null;
  /** From when it was due to this attempt's start, in milliseconds by the database's clock. */
  readonly queuedMs: number;
  /** From this attempt's start to its expiry, likewise; null: it does not expire. */
  readonly expiresInMs: number | null;
}

/** A message whose attempt was opened. */
export interface OpenAttempt {
  readonly job: LeasedJob;
  readonly message: OpenMessage;
  /** Fences off every other lease of the message. */
  readonly token: string;
}

/** An attempt under way. */
export interface Attempt extends OpenAttempt {
  /** By `performance.now()`. */
  readonly startedAt: number;
  readonly telemetry: AttemptTelemetry;
  /** Aborted at the deadline, at the message's expiry, when the lease is lost and when the worker has to stop. */
  readonly signal: AbortSignal;
  /** Resolves when the dispatcher did not end long after its signal was aborted. */
  readonly timedOut: Promise<DispatchResult>;
  /** Frees the slot: the dispatch has ended, its result is not recorded yet. */
  dispatched(result: DispatchResult): void;
  /** Rendering and dispatch, in milliseconds; what passed until now while they go on. */
  readonly durationMs: number;
}

/** One attempt, from its start until its outcome is recorded. */
export interface AttemptTelemetry {
  /** For the log: the trace of the attempt's span or of the enqueue; undefined without tracing. */
  readonly traceId: string | undefined;
  /** How long the dispatch took, in milliseconds; undefined before it ended and where there was none. */
  readonly dispatchMs: number | undefined;
  /** Runs the dispatch in a span of its own, and passes it the trace context that a receiver may continue. */
  dispatch(work: (traceContext: TraceContext | null) => Promise<DispatchResult>): Promise<DispatchResult>;
  /** Called once, unless the attempt is withdrawn. */
  end(result: DispatchResult, decision: Decision): void;
  /** The attempt was taken back before anything was dispatched; `status` is that of its message now. */
  withdrawn(status: string): void;
}

/** The message's next status, and after how many seconds it is due again if that is `pending`. */
export interface Decision {
  readonly status: Extract<MessageStatus, 'sent' | 'pending' | 'failed' | 'held'>;
  readonly delaySeconds: number;
  /** Whether the attempt counts against the limit. */
  readonly counted: boolean;
}
