/**
 * What deliveries tell about themselves: a span per attempt, in the trace of the transaction that enqueued and linked to it,
 * and counts. Nothing here holds an address, a label or a body.
 */
import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import { createInstruments, type Instruments, instrumentationScope } from '../telemetry/metrics.ts';
import type { TelemetryOptions } from '../telemetry/options.ts';
import { fromTraceContext, toTraceContext, type TraceContext } from '../telemetry/trace-context.ts';
import type { OpenMessage } from './begin.ts';
import type { Verdict } from './decide.ts';

/** One attempt, from its beginning to when its outcome is recorded. */
export interface AttemptTelemetry {
  /** For the log: of the attempt's span, or of whoever enqueued; undefined where nobody traces. */
  readonly traceId: string | undefined;
  /** How long the dispatch took; undefined before it ended, and where there was none. */
  readonly dispatchMs: number | undefined;
  /** Runs the dispatch in a span of its own, and gives it the trace context that a receiver may go on with. */
  dispatch(work: (traceContext: TraceContext | null) => Promise<DispatchResult>): Promise<DispatchResult>;
  /** Called once. */
  end(result: DispatchResult, verdict: Verdict): void;
}

export interface DeliveryTelemetry {
  begin(message: OpenMessage): AttemptTelemetry;
  /** A message ended without an attempt. */
  stopped(status: string, reason: string): void;
}

/** The instruments of a worker, and what each of its methods tells by them. */
export function createTelemetry(options: TelemetryOptions = {}): {
  readonly instruments: Instruments;
  of(method: string): DeliveryTelemetry;
} {
  const instruments = createInstruments(options.meterProvider);
  const tracer = (options.tracerProvider ?? trace.getTracerProvider()).getTracer(instrumentationScope);
  return { instruments, of: (method) => deliveryTelemetry(method, tracer, instruments) };
}

function deliveryTelemetry(method: string, tracer: Tracer, instruments: Instruments): DeliveryTelemetry {
  // A series that begins with its first event hides that event from every rate.
  instruments.attempts.add(0, { method, outcome: 'sent' });
  instruments.retries.add(0, { method });
  instruments.alerts.add(0, { method });
  return {
    begin: (message) => beginAttempt(message, { method, tracer, instruments }),
    stopped: (status, reason) => instruments.stopped.add(1, { method, status, reason }),
  };
}

interface Means {
  readonly method: string;
  readonly tracer: Tracer;
  readonly instruments: Instruments;
}

function beginAttempt(message: OpenMessage, { method, tracer, instruments }: Means): AttemptTelemetry {
  const creator = fromTraceContext(message.traceContext);
  // Never the active context: that of the worker's start has nothing to do with this message.
  const parent = creator === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, creator);
  const span = tracer.startSpan(
    `deliver ${message.template}`,
    { kind: SpanKind.CONSUMER, ...(creator !== null && { links: [{ context: creator }] }) },
    parent,
  );
  const recording = span.isRecording();
  if (recording) span.setAttributes(attributesOf(message, method));
  // Without an SDK this is the context of whoever enqueued, or none.
  const known = isSpanContextValid(span.spanContext());
  let dispatchMs: number | undefined;

  async function inSpan(work: (traceContext: TraceContext | null) => Promise<DispatchResult>): Promise<DispatchResult> {
    const inside = trace.setSpan(parent, span);
    const child = recording ? tracer.startSpan(`dispatch ${method}`, { kind: SpanKind.CLIENT }, inside) : span;
    try {
      const onward = toTraceContext(child.spanContext());
      const result = await context.with(trace.setSpan(parent, child), () => work(onward));
      if (recording) describe(child, result);
      return result;
    } finally {
      if (recording) child.end();
    }
  }

  return {
    traceId: known ? span.spanContext().traceId : undefined,
    get dispatchMs() {
      return dispatchMs;
    },
    async dispatch(work) {
      const startedAt = performance.now();
      try {
        return await (known ? inSpan(work) : work(null));
      } finally {
        dispatchMs = performance.now() - startedAt;
      }
    },
    end(result, verdict) {
      count(message, { method, instruments, result, verdict, dispatchMs });
      if (!recording) return;
      describe(span, result);
      span.setAttribute('herald.status', verdict.status);
      span.end();
    },
  };
}

/** After OpenTelemetry's conventions for messaging: the template is the topic, the method a subscription of it. */
function attributesOf(message: OpenMessage, method: string) {
  return {
    'messaging.system': 'pg-herald',
    'messaging.operation.name': 'deliver',
    'messaging.operation.type': 'process',
    'messaging.destination.name': message.template,
    'messaging.destination.subscription.name': method,
    'messaging.message.id': message.id,
    'messaging.message.conversation_id': message.notificationId,
    'herald.template.version': message.templateVersion,
    'herald.attempt': message.attempt,
    'herald.queue.seconds': message.queuedMs / 1000,
  };
}

/** The closed list of reasons, and the receiver's code; never its words. */
function describe(span: Span, result: DispatchResult): void {
  span.setAttribute('herald.outcome', result.outcome);
  if (result.reply?.code !== undefined) span.setAttribute('herald.reply.code', result.reply.code);
  if (result.outcome === 'sent') return;
  span.setAttribute('error.type', result.reason);
  span.setStatus({ code: SpanStatusCode.ERROR, message: result.reason });
}

interface Ended extends Omit<Means, 'tracer'> {
  readonly result: DispatchResult;
  readonly verdict: Verdict;
  readonly dispatchMs: number | undefined;
}

function count(message: OpenMessage, { method, instruments, result, verdict, dispatchMs }: Ended): void {
  const { outcome } = result;
  instruments.queueSeconds.record(message.queuedMs / 1000, { method });
  if (dispatchMs !== undefined) instruments.dispatchSeconds.record(dispatchMs / 1000, { method, outcome });
  if (verdict.status === 'pending') instruments.retries.add(1, { method });
  if (result.outcome === 'sent') {
    instruments.attempts.add(1, { method, outcome });
    return;
  }
  const { reason } = result;
  instruments.attempts.add(1, { method, outcome, reason });
  if (result.alert) instruments.alerts.add(1, { method });
}
