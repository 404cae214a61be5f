/** Spans that a test looks at, and the active context across `await`, as an application's OpenTelemetry SDK sets them up. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, type ContextManager, ROOT_CONTEXT } from '@opentelemetry/api';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

export interface KeptSpans {
  readonly provider: TracerProvider;
  /** Those that have ended, in the order of their beginning. */
  spans(): readonly ReadableSpan[];
  /** Name and children of each span of a trace, as a viewer draws it. */
  tree(traceId: string): readonly string[];
}

export function keepSpans(): KeptSpans {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const startedAt = ({ startTime: [seconds, nanos] }: ReadableSpan) => seconds * 1e9 + nanos;
  const spans = () => [...exporter.getFinishedSpans()].sort((a, b) => startedAt(a) - startedAt(b));
  const branch = (all: readonly ReadableSpan[], parent: string | undefined, depth: number): string[] =>
    all
      .filter((span) => span.parentSpanContext?.spanId === parent)
      .flatMap((span) => [`${'  '.repeat(depth)}${span.name}`, ...branch(all, span.spanContext().spanId, depth + 1)]);
  return {
    provider,
    spans,
    tree: (traceId) =>
      branch(
        spans().filter((span) => span.spanContext().traceId === traceId),
        undefined,
        0,
      ),
  };
}

export function asyncContextManager(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (context, work, self, ...args) =>
      storage.run(context, () => work.call(self as ThisParameterType<typeof work>, ...args)),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}
