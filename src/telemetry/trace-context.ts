/**
 * The W3C trace context as messages store it: `traceparent` and, where there is one, `tracestate`. Baggage is left out
 * on purpose: it may hold anything, and it would stay in the row.
 */
import { createTraceState, isSpanContextValid, type SpanContext, TraceFlags } from '@opentelemetry/api';

/** `traceparent` and, if there is one, `tracestate`. */
export type TraceContext = Readonly<Record<string, string>>;

/** `traceparent` of a span. */
export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & TraceFlags.SAMPLED) === 0 ? '00' : '01'}`;
}

/** What is stored; null where there is no trace to go on with. */
export function toTraceContext(context: SpanContext): TraceContext | null {
  if (!isSpanContextValid(context)) return null;
  const state = context.traceState?.serialize() ?? '';
  return { traceparent: traceparentOf(context), ...(state !== '' && { tracestate: state }) };
}

// Versions after 00 may have more fields; a version of ff is none.
const traceparentPattern = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;

/** What was stored, by us or by a caller in SQL. Null where it is not a trace context. */
export function fromTraceContext(stored: TraceContext | null): SpanContext | null {
  const parts = traceparentPattern.exec(stored?.['traceparent'] ?? '');
  if (stored === null || parts === null) return null;
  const [, traceId = '', spanId = '', flags = ''] = parts;
  const state = stored['tracestate'];
  const context: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED,
    isRemote: true,
    ...(state && { traceState: createTraceState(state) }),
  };
  return isSpanContextValid(context) ? context : null;
}
