/** The worker of the example, in a process of its own: what a host application would start in any of its replicas. */
import { createSecretBox, createWorker, type Dispatcher, smtp, webhook } from '../src/index.ts';

const { DATABASE_URL, SMTP_PORT, HERALD_SECRET_KEY } = process.env;
if (!DATABASE_URL || !SMTP_PORT || !HERALD_SECRET_KEY) throw new Error('started by demo.ts');

/** A demonstration is too short for the five minutes that a webhook's second retry would wait. */
const impatient = (dispatcher: Dispatcher): Dispatcher => ({ ...dispatcher, retryDelaysSeconds: [0.5, 1, 2, 4] });

const worker = createWorker({
  connectionString: DATABASE_URL,
  brand: { appName: 'Acme Workspaces', baseUrl: 'https://acme.example' },
  pollSeconds: 0.2,
  dispatchers: {
    smtp: impatient(
      smtp({
        host: '127.0.0.1',
        port: Number(SMTP_PORT),
        tls: 'none',
        from: { name: 'Acme', address: 'noreply@acme.example' },
      }),
    ),
    webhook: impatient(
      webhook({
        endpoints: { secrets: createSecretBox([HERALD_SECRET_KEY]) },
        egress: { allowCidrs: ['127.0.0.0/8'] },
      }),
    ),
  },
});

/** The demonstration may end before it can send a signal; then the channel to it closes. */
async function end(): Promise<void> {
  await worker.stop();
  if (process.connected) process.disconnect();
}
process.once('SIGTERM', () => void end());
// Ctrl-C reaches every process of the terminal. The demonstration ends this one when it has settled its messages.
process.on('SIGINT', () => undefined);
process.once('disconnect', () => void end());
await worker.start();
process.stdout.write('ready\n');
