/** A worker in a process of its own, for tests that kill it. Options come as JSON in HERALD_TEST_WORKER. */
import { createWorker } from '../../src/delivery/worker.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';

interface ProgramOptions {
  readonly url: string;
  readonly smtpPort?: number;
  readonly webhookUrl?: string;
  readonly concurrency?: number;
  /** Retries webhooks within a second, too. */
  readonly impatient?: boolean;
}

const options = JSON.parse(process.env.HERALD_TEST_WORKER ?? '{}') as ProgramOptions;
const { smtpPort, webhookUrl, concurrency = 20 } = options;

const worker = createWorker({
  connectionString: options.url,
  brand: { appName: 'Acme', baseUrl: 'https://acme.example' },
  superviseSeconds: options.impatient ? 5 : 1,
  dispatchers: {
    ...(smtpPort !== undefined && {
      smtp: {
        ...smtp({
          host: '127.0.0.1',
          port: smtpPort,
          tls: 'none',
          from: { name: 'Acme', address: 'noreply@acme.example' },
          maxConnections: concurrency,
        }),
        retryDelaysSeconds: Array.from({ length: options.impatient ? 20 : 3 }, () => 0.2),
      },
    }),
    ...(webhookUrl !== undefined && {
      webhook: {
        ...webhook({
          endpoint: { url: webhookUrl, secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}` },
          egress: { allowCidrs: ['127.0.0.0/8'] },
          concurrency,
        }),
        ...(options.impatient && { retryDelaysSeconds: Array.from({ length: 20 }, () => 0.5) }),
      },
    }),
  },
});

process.once('SIGTERM', () => void worker.stop());
await worker.start();
process.stdout.write('ready\n');
