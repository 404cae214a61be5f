import type { MeterProvider, TracerProvider } from '@opentelemetry/api';

/** Where spans and metrics go. Default: the providers that are registered globally. */
export interface TelemetryOptions {
  readonly tracerProvider?: TracerProvider;
  readonly meterProvider?: MeterProvider;
}
