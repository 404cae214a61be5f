import type { Command } from 'commander';
import { type Config, readConfig } from './config.ts';
import { createWorker, type Worker } from '../delivery/worker.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { smtp } from '../dispatch/smtp/smtp.ts';
import type { WebhookOptions } from '../dispatch/webhook/webhook-options.ts';
import { webhook } from '../dispatch/webhook/webhook.ts';
import { ConfigurationError } from '../errors.ts';
import { createSecretBox, labelSecrets } from '../secrets.ts';
import { type CommonOptions, command } from './command.ts';
import { createLogger } from './logger.ts';
import { createMetricsServer, type MetricsServer } from './metrics-server.ts';
import { printAside, UsageError } from './output.ts';

export function workerCommand(): Command {
  return command(
    'worker',
    'Deliver until SIGTERM. Methods and settings come from HERALD_* variables (see the README)',
    'worker --metrics-port 9464',
  )
    .option('--metrics-port <port>', 'serve /metrics, /healthz and /readyz there; 0 takes any that is free', portNumber)
    .option('--metrics-host <host>', 'address to serve them on; anybody who reaches it may read them', '127.0.0.1')
    .action(work);
}

/** The process is nothing but a worker: one that hangs is better started again. */
const watchdogSeconds = 30;

interface WorkerCommandOptions extends CommonOptions {
  readonly metricsPort?: number;
  readonly metricsHost: string;
}

function portNumber(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new UsageError(`--metrics-port: "${text}" is no port; use 0 to 65535`);
}

async function work(options: WorkerCommandOptions): Promise<void> {
  const config = readConfig(options.databaseUrl);
  const logger = createLogger(config.logLevel);
  const webhooks = webhookOptions(config);
  const dispatchers: Record<string, Dispatcher> = {
    ...(config.smtp && { smtp: smtp(config.smtp) }),
    ...(webhooks && { webhook: webhook(webhooks) }),
  };
  if (Object.keys(dispatchers).length === 0)
    throw new ConfigurationError(
      'HERALD_SMTP_HOST',
      'is not set, and neither is HERALD_WEBHOOK_URL nor HERALD_SECRET_KEY (for endpoints); a worker needs at least one method',
    );
  const { metricsPort: port, metricsHost: host } = options;
  const metrics = port === undefined ? null : await createMetricsServer({ host, port });
  const worker = createWorker({
    connectionString: config.databaseUrl,
    dispatchers,
    brand: config.brand,
    ...(config.secretKeys.length > 0 && {
      decryptLabels: labelSecrets(createSecretBox(config.secretKeys)).decryptLabels,
    }),
    logger,
    stopTimeoutSeconds: config.stopTimeoutSeconds,
    watchdogSeconds,
    ...(metrics !== null && { telemetry: { meterProvider: metrics.meterProvider } }),
  });
  try {
    await deliver(worker, metrics, Object.keys(dispatchers));
  } finally {
    await metrics?.close();
  }
}

/** Metrics and probes are there before the worker is: an orchestrator sees it start, and why it does not. */
async function deliver(worker: Worker, metrics: MetricsServer | null, methods: readonly string[]): Promise<void> {
  const stopped = untilStopped(worker);
  if (metrics !== null) printAside(`metrics on ${await metrics.listen(worker)}/metrics`);
  await worker.start();
  printAside(`worker ${worker.name} delivers ${methods.join(' and ')}; SIGTERM or Ctrl-C stops it`);
  await stopped;
}

/** The default endpoint, the rows of endpoints (their key is the one of secret labels), or both. */
function webhookOptions(config: Config): WebhookOptions | null {
  if (config.secretKeys.length === 0) return config.webhook.endpoint === undefined ? null : config.webhook;
  return { ...config.webhook, endpoints: { secrets: createSecretBox(config.secretKeys) } };
}

/** The first signal stops in order, the second at once. */
function untilStopped(worker: { stop(): Promise<void> }): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    const onSignal = () => {
      if (stopping) process.exit(130);
      stopping = true;
      worker.stop().then(resolve, resolve);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
