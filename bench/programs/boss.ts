/** Bare pg-boss: empty jobs, in batches, completed and nothing else. */
import { PgBoss } from 'pg-boss';
import { serve } from './serve.ts';

export interface BossInput {
  readonly url: string;
  readonly batchSize: number;
}

const queue = 'empty';

serve<BossInput>(async ({ url, batchSize }) => {
  const boss = new PgBoss({ connectionString: url, schema: 'bare_boss', schedule: false, max: 4 });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  await boss.createQueue(queue, { partition: true });
  return {
    answers: {
      fill: async (count: number) => {
        for (let left = count; left > 0; left -= 10_000)
          await boss.insert(
            queue,
            Array.from({ length: Math.min(left, 10_000) }, () => ({})),
          );
      },
      /** Jobs per second from the first fetch to the last completion. */
      drain: async () => {
        const startedAt = performance.now();
        const loops = [drainLoop(boss, batchSize), drainLoop(boss, batchSize)];
        const counts = await Promise.all(loops);
        return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - startedAt) / 1000);
      },
    },
    close: () => boss.stop({ graceful: false }),
  };
});

async function drainLoop(boss: PgBoss, batchSize: number): Promise<number> {
  for (let done = 0; ; ) {
    const jobs = await boss.fetch(queue, { batchSize });
    if (jobs.length === 0) return done;
    await boss.complete(queue, jobs);
    done += jobs.length;
  }
}
