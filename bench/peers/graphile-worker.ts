/** graphile-worker, tuned as its page on performance says: local queue, batched completion, prepared statements. */
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { serve } from '../programs/serve.ts';
import { countdown, openWork, type PeerInput } from './work.ts';

serve<PeerInput>(async (input) => {
  const work = await openWork(input, 25);
  const remaining = countdown();
  const preset = {
    worker: {
      connectionString: input.url,
      concurrentJobs: 24,
      maxPoolSize: 26,
      pollInterval: 1000,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  };
  // As silent as ours: a line per job would cost it dearly.
  const logger = new Logger(() => () => undefined);
  const utils = await makeWorkerUtils({ connectionString: input.url, logger });
  await utils.migrate();
  let filled = 0;
  return {
    answers: {
      async fill(count: number) {
        const ids = await work.fill(count);
        for (let at = 0; at < ids.length; at += 5000)
          await utils.addJobs(ids.slice(at, at + 5000).map((id) => ({ identifier: 'deliver', payload: { id } })));
        filled = count;
      },
      async drain() {
        const done = remaining.start(filled);
        const runner = await run({
          logger,
          preset,
          parsedCronItems: [],
          taskList: {
            async deliver(payload: { id: string }) {
              await work.deliver(payload.id);
              remaining.one();
            },
          },
        });
        // From when it runs: connecting is not part of draining.
        const startedAt = performance.now();
        await done;
        const rate = filled / ((performance.now() - startedAt) / 1000);
        await runner.stop();
        return rate;
      },
    },
    async close() {
      await utils.release();
      await work.pool.end();
    },
  };
});
