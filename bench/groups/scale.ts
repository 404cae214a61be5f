/** More processes, and more history. */
import { dispatchedBy, enqueueMany, fillAndDrain, setPaused, untilDispatched } from '../backlog.ts';
import { writeHistory } from '../history.ts';
import { alone, type Contender, compared, interleave, median } from '../measure.ts';
import type { Child } from '../programs.ts';
import type { Metric } from '../rows.ts';
import { type Database, type Setting, share } from '../setting.ts';
import { noopConcurrency } from './deliver.ts';
import type { Group } from './group.ts';

/** As many emails as a relay takes at once from one process. */
const waiting = { concurrency: 10, waitMs: 5 };

export const processesGroup: Group = {
  rows: ['scale.processes'],
  async run(setting) {
    const herald = async (processes: number): Promise<Contender> => {
      const { url, pool } = await setting.database();
      const workers: Child[] = [];
      for (let i = 0; i < processes; i++) workers.push(await setting.start('worker', { url, noop: waiting }));
      return {
        name: `${processes}`,
        measure: (round) =>
          fillAndDrain(
            { pool, method: 'noop', workers },
            share(setting, round === 'warm-up' ? 2000 : 6000 * processes),
          ),
      };
    };
    const figures = await interleave([await herald(2), await herald(1)], setting.size.rounds, setting.progress);
    return [compared('scale.processes', figures, '2', '1')];
  },
};

/** Drained in portions, so that both take turns; the portions add up to the backlog. */
const portionsOf = ({ size }: Setting) => Math.max(size.rounds, 2);
/** Less would be gone before a worker that is held has stopped. */
const leastBacklog = 20_000;

export const historyGroup: Group = {
  rows: ['scale.history', 'load.rss', 'load.rss.growth'],
  async run(setting, wanted) {
    const backlog = Math.max(share(setting, 200_000), leastBacklog);
    const empty = await setting.database();
    const plain = await backlogged(setting, empty, { name: 'none', backlog });
    const contenders: (Contender & { readonly rss: readonly number[] })[] = [];
    if (wanted.has('scale.history')) {
      const full = await setting.database();
      const startedAt = performance.now();
      await writeHistory(full.pool, setting.size.history);
      const seconds = Math.round((performance.now() - startedAt) / 1000);
      setting.progress(`${setting.size.history} settled messages written in ${seconds} s`);
      contenders.push(await backlogged(setting, full, { name: 'history', backlog }));
    }
    contenders.push(plain);
    const figures = await interleave(contenders, portionsOf(setting), setting.progress);
    const quarter = (n: number) =>
      median(plain.rss.slice((plain.rss.length / 4) * n, (plain.rss.length / 4) * (n + 1)));
    const metrics: Metric[] = [
      alone('load.rss', Math.max(...plain.rss), plain.rss),
      alone('load.rss.growth', quarter(3) - quarter(1)),
    ];
    if (contenders.length > 1) metrics.unshift(compared('scale.history', figures, 'history', 'none'));
    return metrics.filter(({ name }) => wanted.has(name));
  },
};

async function backlogged(
  setting: Setting,
  { url, pool }: Database,
  { name, backlog }: { name: string; backlog: number },
): Promise<Contender & { readonly rss: readonly number[] }> {
  const portion = backlog / portionsOf(setting);
  await setPaused(pool, 'noop', true);
  await enqueueMany(pool, 'noop', backlog);
  await pool.query('CHECKPOINT');
  const worker = await setting.start(
    'worker',
    { url, noop: { concurrency: noopConcurrency } },
    // As docs/production.md starts it: else V8's young generation grows with the machine's memory.
    { nodeOptions: ['--max-semi-space-size=8'] },
  );
  const rss: number[] = [];
  return {
    name,
    rss,
    async measure(round) {
      // The portions are all there is to measure: nothing to warm up with.
      if (round === 'warm-up') return 0;
      const before = await dispatchedBy([worker]);
      await setPaused(pool, 'noop', false);
      // A worker that is held goes on for up to a second: what it takes then comes out of the rest of the portion.
      const [from, to] = [before + portion * 0.1, before + portion * 0.6];
      await untilDispatched([worker], from, async () => void rss.push((await worker.ask<number>('rss')) / 1e6));
      const [first, firstAt] = [await dispatchedBy([worker]), performance.now()];
      await untilDispatched([worker], to, async () => void rss.push((await worker.ask<number>('rss')) / 1e6));
      const rate = ((await dispatchedBy([worker])) - first) / ((performance.now() - firstAt) / 1000);
      await setPaused(pool, 'noop', true);
      return rate;
    },
  };
}
