/** A worker in a process of its own, for tests that kill it. Options come as JSON in HERALD_TEST_WORKER. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '../../src/cli/logger.ts';
import { createWorker } from '../../src/delivery/worker.ts';
import type { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { type SmtpOptions, smtp } from '../../src/dispatch/smtp/smtp.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { reportVitals } from '../support/vitals.ts';

interface ProgramOptions {
  readonly url: string;
  readonly smtpPort?: number;
  readonly smtp?: Partial<SmtpOptions>;
  readonly webhookUrl?: string;
  readonly concurrency?: number;
  /** Retries within a second, and waits five seconds for receivers that hang. */
  readonly impatient?: boolean;
  /** A dispatcher for smtp that the label `who` tells how to end this process. */
  readonly poisonable?: boolean;
  readonly watchdogSeconds?: number;
  /** Name in attempts. */
  readonly name?: string;
  /** Writes its warnings and errors to standard error. */
  readonly logs?: boolean;
  /** Writes what it holds to standard output, every so many seconds. */
  readonly vitalsSeconds?: number;
}

const hoard: string[][] = [];

/** Most messages take 20 ms and are accepted. */
const poisonable: Dispatcher = {
  concurrency: 20,
  timeoutSeconds: 30,
  retryDelaysSeconds: [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
  async dispatch({ labels }) {
    if (labels.who === 'throws') setImmediate(() => JSON.parse('{'));
    if (labels.who === 'hangs') for (;;);
    if (labels.who === 'eats memory') for (;;) hoard.push(Array.from({ length: 10_000 }, (_, i) => `${i}`));
    await sleep(labels.who === 'takes 4 s' ? 4000 : 20);
    return { outcome: 'sent' };
  },
};

const options = JSON.parse(process.env.HERALD_TEST_WORKER ?? '{}') as ProgramOptions;
const { smtpPort, webhookUrl, concurrency = 20, impatient = false } = options;

const worker = createWorker({
  connectionString: options.url,
  brand: { appName: 'Acme', baseUrl: 'https://acme.example' },
  // Impatient ones are judged by the bounds of the defaults.
  ...(!impatient && { superviseSeconds: 1 }),
  ...(options.watchdogSeconds !== undefined && { watchdogSeconds: options.watchdogSeconds }),
  ...(options.name !== undefined && { name: options.name }),
  ...(options.logs && { logger: createLogger('warn') }),
  dispatchers: {
    ...(options.poisonable && { smtp: poisonable }),
    ...(smtpPort !== undefined && {
      smtp: {
        ...smtp({
          host: '127.0.0.1',
          port: smtpPort,
          tls: 'none',
          from: { name: 'Acme', address: 'noreply@acme.example' },
          maxConnections: concurrency,
          ...(impatient && { replyTimeoutSeconds: 5 }),
          ...options.smtp,
        }),
        retryDelaysSeconds: Array.from({ length: impatient ? 20 : 3 }, () => 0.2),
      },
    }),
    ...(webhookUrl !== undefined && {
      webhook: {
        ...webhook({
          endpoint: {
            url: webhookUrl,
            secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
            ...(impatient && { timeoutSeconds: 5 }),
          },
          egress: { allowCidrs: ['127.0.0.0/8'] },
          concurrency,
        }),
        ...(impatient && { retryDelaysSeconds: Array.from({ length: 20 }, () => 0.5) }),
      },
    }),
  },
});

process.once('SIGTERM', () => void worker.stop());
await worker.start();
if (options.vitalsSeconds !== undefined) reportVitals(options.vitalsSeconds);
process.stdout.write('ready\n');
