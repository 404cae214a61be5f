/** One worker process, with a dispatcher of the benchmark's choice. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createWorker } from '../../src/delivery/worker.ts';
import type { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { smtp, type SmtpOptions } from '../../src/dispatch/smtp/smtp.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { serve } from './serve.ts';

export interface WorkerInput {
  readonly url: string;
  readonly noop?: NoopInput;
  readonly smtp?: Omit<SmtpOptions, 'from'>;
  readonly webhook?: { readonly url: string; readonly concurrency: number };
}

export interface NoopInput {
  readonly concurrency: number;
  /** How long a dispatch takes, in milliseconds; 0: it answers at once. */
  readonly waitMs?: number;
  /** One receiver in `every` takes `waitMs`. */
  readonly slow?: { readonly every: number; readonly waitMs: number };
}

serve<WorkerInput>(async (input) => {
  let dispatched = 0;
  const counted = (dispatcher: Dispatcher): Dispatcher => ({
    ...dispatcher,
    async dispatch(delivery, context) {
      const result = await dispatcher.dispatch(delivery, context);
      dispatched += 1;
      return result;
    },
  });
  const worker = createWorker({
    connectionString: input.url,
    brand: { appName: 'Acme', baseUrl: 'https://acme.example' },
    dispatchers: {
      ...(input.noop && { noop: counted(noop(input.noop)) }),
      ...(input.smtp && {
        smtp: counted(smtp({ ...input.smtp, from: { name: 'Acme', address: 'noreply@acme.example' } })),
      }),
      ...(input.webhook && { webhook: counted(webhookTo(input.webhook)) }),
    },
  });
  await worker.start();
  return {
    answers: {
      dispatched: () => dispatched,
      rss: () => process.memoryUsage.rss(),
      cpu: () => process.cpuUsage(),
    },
    close: () => worker.stop(),
  };
});

function noop({ concurrency, waitMs = 0, slow }: NoopInput): Dispatcher {
  return {
    concurrency,
    timeoutSeconds: 60,
    retryDelaysSeconds: [30],
    async dispatch({ recipient }) {
      const isSlow = slow !== undefined && Number(recipient.id.slice(1)) % slow.every === 0;
      const ms = isSlow ? slow.waitMs : waitMs;
      if (ms > 0) await sleep(ms);
      return { outcome: 'sent' };
    },
  };
}

function webhookTo({ url, concurrency }: { url: string; concurrency: number }): Dispatcher {
  return webhook({
    endpoint: { url, secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}` },
    egress: { allowCidrs: ['127.0.0.0/8'] },
    concurrency,
  });
}
