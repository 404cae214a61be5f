/**
 * What deliveries report: a span and a log line per attempt, and counts. The span is in the trace of the transaction
 * that enqueued, and linked to it. Nothing here holds an address, a label or a body.
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
import type { Attempt, AttemptTelemetry, Decision, OpenMessage } from './attempt.ts';
import type { DeliveryTelemetry, MethodServices } from './services.ts';

/** Creates the instruments of a worker, and the telemetry of each of its methods. */
export function createTelemetry(options: TelemetryOptions = {}): {
  readonly instruments: Instruments;
  of(method: string): DeliveryTelemetry;
} {
  const instruments = createInstruments(options.meterProvider);
  const tracer = (options.tracerProvider ?? trace.getTracerProvider()).getTracer(instrumentationScope);
  return { instruments, of: (method) => deliveryTelemetry(method, tracer, instruments) };
}

function deliveryTelemetry(method: string, tracer: Tracer, instruments: Instruments): DeliveryTelemetry {
  // A series that starts with its first event hides that event from every rate.
  instruments.attempts.add(0, { method, outcome: 'sent' });
  instruments.retries.add(0, { method });
  instruments.alerts.add(0, { method });
  return {
    begin: (message) => beginAttempt(message, { method, tracer, instruments }),
    stopped: (status, reason) => instruments.stopped.add(1, { method, status, reason }),
  };
}

interface MethodTelemetryDeps {
  readonly method: string;
  readonly tracer: Tracer;
  readonly instruments: Instruments;
}

function beginAttempt(message: OpenMessage, { method, tracer, instruments }: MethodTelemetryDeps): AttemptTelemetry {
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
  // Without an SDK this is the context of the enqueue, or none.
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
    withdrawn(status) {
      if (!recording) return;
      span.setAttribute('herald.status', status);
      span.end();
    },
    end(result, decision) {
      count(message, { method, instruments, result, decision, dispatchMs });
      if (!recording) return;
      describe(span, result);
      span.setAttribute('herald.status', decision.status);
      span.end();
    },
  };
}

/** As OpenTelemetry's conventions for messaging say: the template is the topic, the method is a subscription to it. */
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

/** Sets the reason and the receiver's code, never its words. */
function describe(span: Span, result: DispatchResult): void {
  span.setAttribute('herald.outcome', result.outcome);
  if (result.reply?.code !== undefined) span.setAttribute('herald.reply.code', result.reply.code);
  if (result.outcome === 'sent') return;
  span.setAttribute('error.type', result.reason);
  span.setStatus({ code: SpanStatusCode.ERROR, message: result.reason });
}

interface AttemptResult extends Omit<MethodTelemetryDeps, 'tracer'> {
  readonly result: DispatchResult;
  readonly decision: Decision;
  readonly dispatchMs: number | undefined;
}

function count(message: OpenMessage, { method, instruments, result, decision, dispatchMs }: AttemptResult): void {
  const { outcome } = result;
  instruments.queueSeconds.record(message.queuedMs / 1000, { method });
  if (dispatchMs !== undefined) instruments.dispatchSeconds.record(dispatchMs / 1000, { method, outcome });
  if (decision.status === 'pending') instruments.retries.add(1, { method });
  if (result.outcome === 'sent') {
    instruments.attempts.add(1, { method, outcome });
    return;
  }
  const { reason } = result;
  instruments.attempts.add(1, { method, outcome, reason });
  if (result.alert) instruments.alerts.add(1, { method });
}

/** Logs one line per attempt: ids, names and numbers only, no address, label or body. */
export function logAttempt(
  { logger, method, worker }: Pick<MethodServices, 'logger' | 'method' | 'worker'>,
  { message, telemetry, durationMs }: Attempt,
  { result, decision }: { readonly result: DispatchResult; readonly decision: Decision },
): void {
  const fields = {
    messageId: message.id,
    method,
    template: message.template,
    version: message.templateVersion,
    attempt: message.attempt,
    outcome: result.outcome,
    reason: result.outcome === 'sent' ? undefined : result.reason,
    replyCode: result.reply?.code,
    status: decision.status,
    retryInSeconds: decision.status === 'pending' ? Math.round(decision.delaySeconds) : undefined,
    // From when it was due to this attempt; rendering and dispatch; the dispatch alone; everything since it was
    // enqueued.
    queuedMs: Math.round(message.queuedMs),
    durationMs: Math.round(durationMs),
    dispatchMs: telemetry.dispatchMs === undefined ? undefined : Math.round(telemetry.dispatchMs),
    ageMs: Math.round(Date.now() - message.createdAtMs),
    tenant: message.tenant ?? undefined,
    endpointId: message.endpointId ?? undefined,
    trace_id: telemetry.traceId,
    worker,
  };
  if (result.outcome === 'sent') logger.info(fields, 'attempt');
  else logger.warn(fields, 'attempt');
}
