import type { MeterProvider, TracerProvider } from '@opentelemetry/api';

/** Where spans and metrics go. Default: the providers that are registered globally. */
export interface TelemetryOptions {
  /** Where spans go. Default: the global provider. */
  readonly tracerProvider?: TracerProvider;
  /** Where metrics go. Default: the global provider. */
  readonly meterProvider?: MeterProvider;
}
