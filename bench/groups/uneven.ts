/** Receivers that are not alike: whether a slow one holds up the others. */
import { dispatchedBy, enqueueMany, setPaused, untilDispatched } from '../backlog.ts';
import { type Contender, compared, interleave } from '../measure.ts';
import { type Setting, share } from '../setting.ts';
import type { Group } from './group.ts';

/** Enough that the slow ones alone could hold 300 calls a second of 5 s each. */
const concurrency = 2000;
const ordinaryMs = 5;
const slow = { every: 50, waitMs: 5000 };

export const unevenGroup: Group = {
  rows: ['deliver.uneven'],
  async run(setting) {
    const contenders = [
      await herald(setting, 'uneven', { concurrency, waitMs: ordinaryMs, slow }),
      await herald(setting, 'even', { concurrency, waitMs: ordinaryMs }),
    ];
    const rounds = Math.ceil(setting.size.rounds / 2);
    return [compared('deliver.uneven', await interleave(contenders, rounds, setting.progress), 'uneven', 'even')];
  },
};

/** Messages per second once the slow calls have begun to end, so that as many are under way as there will ever be. */
async function herald(setting: Setting, name: string, noop: object): Promise<Contender> {
  const { url, pool } = await setting.database();
  const worker = await setting.start('worker', { url, noop });
  const workers = [worker];
  return {
    name,
    async measure(round) {
      // It ends when the slow calls do, too long for a run that only looks whether this works.
      if (round === 'warm-up' && setting.size.rounds === 1) return 0;
      const count = share(setting, round === 'warm-up' ? 5000 : 120_000);
      await setPaused(pool, 'noop', true);
      await enqueueMany(pool, 'noop', count);
      await pool.query('CHECKPOINT');
      const before = await dispatchedBy(workers);
      const [from, to] = [Math.ceil(count * 0.5), Math.ceil(count * 0.9)];
      await setPaused(pool, 'noop', false);
      await untilDispatched(workers, before + from);
      const startedAt = performance.now();
      const first = await dispatchedBy(workers);
      await untilDispatched(workers, before + to);
      const last = await dispatchedBy(workers);
      const rate = (last - first) / ((performance.now() - startedAt) / 1000);
      await untilDispatched(workers, before + count);
      return rate;
    },
  };
}
