/** The producer's span of an enqueue, and the trace context that its messages carry to their deliveries. */
import { context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { instrumentationScope } from '../telemetry/metrics.ts';
import type { TelemetryOptions } from '../telemetry/options.ts';
import { toTraceContext, type TraceContext } from '../telemetry/trace-context.ts';

/** What an enqueue wrote, or found under its dedupe key. */
export interface Enqueued {
  readonly count: number;
  /** Of the only message; null where there are none or several. */
  readonly messageId: string | null;
}

/** Runs an enqueue in its own span. `given` is the caller's trace context, which wins. */
export type TracedEnqueue = <Result>(
  what: { readonly template: string; readonly given: TraceContext | undefined },
  work: (carried: { readonly traceContext?: TraceContext }) => Promise<Result>,
  enqueuedBy: (result: Result) => Enqueued,
) => Promise<Result>;

/** Returns a function that runs an enqueue in a span. The global tracer provider is the default. */
export function createTracedEnqueue({ tracerProvider }: Pick<TelemetryOptions, 'tracerProvider'> = {}): TracedEnqueue {
  const tracer = (tracerProvider ?? trace.getTracerProvider()).getTracer(instrumentationScope);
  return async ({ template, given }, work, enqueuedBy) => {
    const span = tracer.startSpan(`enqueue ${template}`, { kind: SpanKind.PRODUCER });
    const traceContext = given ?? toTraceContext(span.spanContext());
    const carried = traceContext === null ? {} : { traceContext };
    if (!span.isRecording()) return work(carried);
    try {
      const result = await context.with(trace.setSpan(context.active(), span), () => work(carried));
      describe(span, template, enqueuedBy(result));
      return result;
    } catch (error) {
      // Only the name: the message of an error may quote what was enqueued.
      span.setAttribute('error.type', error instanceof Error ? error.name : 'unknown');
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  };
}

function describe(span: Span, template: string, { count, messageId }: Enqueued): void {
  span.setAttributes({
    'messaging.system': 'pg-herald',
    'messaging.operation.name': 'enqueue',
    'messaging.operation.type': 'send',
    'messaging.destination.name': template,
    // The conventions keep it off spans of a single message.
    ...(count !== 1 && { 'messaging.batch.message_count': count }),
  });
  if (messageId !== null) span.setAttribute('messaging.message.id', messageId);
}
