import type { Command } from 'commander';
import type { WorkerOptions } from '../delivery/options.ts';
import { createWorker, type Worker } from '../delivery/worker.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import { smtp } from '../dispatch/smtp/smtp.ts';
import type { WebhookOptions } from '../dispatch/webhook/webhook-options.ts';
import { webhook } from '../dispatch/webhook/webhook.ts';
import { ConfigurationError } from '../errors.ts';
import { createSecretBox, labelSecrets } from '../secrets.ts';
import { portNumber } from './arguments.ts';
import { type CommonOptions, command } from './command.ts';
import { type Config, readConfig } from './config.ts';
import { createLogger } from './logger.ts';
import { createMetricsServer, type MetricsServer } from './metrics-server.ts';
import { printStderr } from './output.ts';
import { untilSignal } from './signals.ts';
import { readWorkerConfig, type WorkerConfig } from './worker-config.ts';

/** `pg-herald worker` */
export function workerCommand(): Command {
  return command(
    'worker',
    'Deliver messages until SIGTERM. Environment variables configure the methods: see docs/configuration.md',
    {
      example: 'worker --metrics-port 9464',
      more: [['worker --config herald.config.ts', 'with delivery methods of your own']],
      notes: [
        'The first SIGTERM or Ctrl-C finishes the attempts in flight and returns the other messages; the ' +
          'second exits at once.',
        '--metrics-port needs the packages @opentelemetry/sdk-metrics and @opentelemetry/exporter-prometheus.',
      ],
      seeAlso: ['status', 'doctor'],
    },
  )
    .option(
      '--config <file>',
      'module whose default export has options of createWorker, for example your own dispatchers',
    )
    .option('--metrics-port <port>', 'port of /metrics, /healthz and /readyz; 0 takes any free one', portNumber)
    .option(
      '--metrics-host <host>',
      'address that the port listens on; everyone who can reach it can read the metrics',
      '127.0.0.1',
    )
    .action(work);
}

/** This process is only a worker, so one that hangs is better restarted. */
const watchdogSeconds = 30;

interface WorkerCommandOptions extends CommonOptions {
  readonly config?: string;
  readonly metricsPort?: number;
  readonly metricsHost: string;
}

async function work(options: WorkerCommandOptions): Promise<void> {
  const stopped = untilSignal();
  const file = await readWorkerConfig(options.config);
  const config = readConfig(options.databaseUrl ?? file.connectionString);
  const dispatchers = dispatchersOf(config, file);
  const { metricsPort: port, metricsHost: host } = options;
  const metrics = port === undefined ? null : await createMetricsServer({ host, port });
  const worker = createWorker({
    ...optionsOf(config),
    ...file,
    connectionString: config.databaseUrl,
    dispatchers,
    ...(metrics !== null && { telemetry: { meterProvider: metrics.meterProvider } }),
  });
  try {
    await deliverUntil(stopped, { worker, metrics, methods: Object.keys(dispatchers) });
  } finally {
    await metrics?.close();
  }
}

/** What the environment says beside database and methods. */
function optionsOf({
  brand,
  secretKeys,
  links,
  logLevel,
  stopTimeoutSeconds,
  recipientGuard,
}: Config): Omit<WorkerOptions, 'connectionString' | 'dispatchers'> {
  return {
    ...{ brand, stopTimeoutSeconds, watchdogSeconds },
    logger: createLogger(logLevel),
    ...(links !== undefined && { links }),
    ...(recipientGuard !== undefined && { recipientGuard }),
    ...(secretKeys.length > 0 && { decryptLabels: labelSecrets(createSecretBox(secretKeys)).decryptLabels }),
  };
}

/** Metrics and probes are served before the worker starts, so that an orchestrator sees why it does not. */
async function deliverUntil(
  stopped: Promise<void>,
  {
    worker,
    metrics,
    methods,
  }: { readonly worker: Worker; readonly metrics: MetricsServer | null; readonly methods: readonly string[] },
): Promise<void> {
  let stopping = false;
  const ended = stopped.then(() => {
    stopping = true;
    return worker.stop();
  });
  if (metrics !== null) printStderr(`metrics on ${await metrics.listen(worker)}/metrics`);
  // A signal may have come while the metrics server started: a stopped worker does not start.
  if (!stopping) {
    await worker.start();
    printStderr(`worker ${worker.name} delivers ${methods.join(' and ')}; SIGTERM or Ctrl-C stops it`);
  }
  await ended;
}

function dispatchersOf(config: Config, file: WorkerConfig): Record<string, Dispatcher> {
  const webhooks = webhookOptions(config);
  const dispatchers = {
    ...(config.smtp && { smtp: smtp(config.smtp) }),
    ...(webhooks && { webhook: webhook(webhooks) }),
    ...file.dispatchers,
  };
  if (Object.keys(dispatchers).length > 0) return dispatchers;
  throw new ConfigurationError(
    'HERALD_SMTP_HOST',
    'is not set, and neither is HERALD_WEBHOOK_URL nor HERALD_SECRET_KEY (for endpoints): a worker needs at ' +
      'least one method, also from the dispatchers of --config',
  );
}

/** The default endpoint, stored endpoints (the key of secret labels opens them), or both. */
function webhookOptions(config: Config): WebhookOptions | null {
  if (config.secretKeys.length === 0) return config.webhook.endpoint === undefined ? null : config.webhook;
  return { ...config.webhook, endpoints: { secrets: createSecretBox(config.secretKeys) } };
}
