/** What a worker costs that has nothing to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { alone } from '../measure.ts';
import { startCountingProxy } from '../proxy.ts';
import type { Group } from './group.ts';

export const idleGroup: Group = {
  rows: ['idle.queries', 'idle.rss'],
  async run(setting, wanted) {
    const { url } = await setting.database();
    const proxy = await startCountingProxy(url);
    setting.ending(proxy.stop);
    const worker = await setting.start('worker', {
      url: proxy.url,
      // Never called: there is no message.
      smtp: { host: '127.0.0.1', port: 9, tls: 'none' },
      webhook: { url: 'http://127.0.0.1:9/', concurrency: 50 },
    });
    await sleep(2000);
    const before = proxy.roundTrips();
    const seconds = Math.max(setting.size.seconds * 2, 5);
    await sleep(seconds * 1000);
    const queries = (proxy.roundTrips() - before) / seconds;
    const rss = (await worker.ask<number>('rss')) / 1e6;
    return [alone('idle.queries', queries), alone('idle.rss', rss)].filter(({ name }) => wanted.has(name));
  },
};
