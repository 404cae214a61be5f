/** BullMQ on Redis, as its pages on workers and production say: a concurrency factor, completed jobs removed. */
import { Queue, Worker } from 'bullmq';
import { serve } from '../programs/serve.ts';
import { countdown, openWork, type PeerInput } from './work.ts';

serve<PeerInput & { readonly redisPort: number }>(async (input) => {
  const work = await openWork(input, 25);
  const remaining = countdown();
  const connection = { host: '127.0.0.1', port: input.redisPort, maxRetriesPerRequest: null };
  const queue = new Queue('deliver', { connection });
  const worker = new Worker(
    'deliver',
    async (job) => {
      await work.deliver(job.data.id);
      remaining.one();
    },
    { connection, concurrency: 50, autorun: false, removeOnComplete: { count: 0 }, removeOnFail: { count: 1000 } },
  );
  worker.on('error', (error) => console.error(error));
  await worker.waitUntilReady();
  await queue.pause();
  let filled = 0;
  let running: Promise<void> | null = null;
  return {
    answers: {
      async fill(count: number) {
        const ids = await work.fill(count);
        for (let at = 0; at < ids.length; at += 5000)
          await queue.addBulk(ids.slice(at, at + 5000).map((id) => ({ name: 'deliver', data: { id } })));
        filled = count;
      },
      async drain() {
        running ??= worker.run();
        const done = remaining.start(filled);
        const startedAt = performance.now();
        await queue.resume();
        await done;
        const rate = filled / ((performance.now() - startedAt) / 1000);
        await queue.pause();
        return rate;
      },
    },
    async close() {
      await worker.close(true);
      await queue.close();
      await work.pool.end();
    },
  };
});
