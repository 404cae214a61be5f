/** An even load: so many messages a second, half of them emails and half webhooks. */
import type { Pool } from 'pg';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting } from '../support/application.ts';

const tickMs = 100;

/** Resolves with the number of messages enqueued. `everyMinute` is told the seconds that have passed. */
export async function evenLoad(
  pool: Pool,
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
  everyMinute: (elapsedSeconds: number) => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  const herald = createHerald();
  const startedAt = Date.now();
  let enqueued = 0;
  let minutes = 0;
  for (;;) {
    const elapsedMs = Date.now() - startedAt;
    // What is owed by now; never more than one tick's share ten times over, so that a pause does not end in a flood.
    const owed = Math.min(Math.floor((Math.min(elapsedMs, seconds * 1000) / 1000) * rate) - enqueued, rate);
    if (owed > 0) {
      const to = Array.from({ length: owed }, (_, i) => ({
        id: `u${enqueued + i}`,
        email: `u${enqueued + i}@example.com`,
      }));
      const half = Math.ceil(owed / 2);
      await herald.enqueue(pool, greeting, {
        autocommit: true,
        to: to.slice(0, half),
        labels: { who: 'soak' },
        methods: ['smtp'],
      });
      if (owed > half)
        await herald.enqueue(pool, greeting, {
          autocommit: true,
          to: to.slice(half),
          labels: { who: 'soak' },
          methods: ['webhook'],
        });
      enqueued += owed;
    }
    if (elapsedMs >= seconds * 1000) return enqueued;
    if (Math.floor(elapsedMs / 60_000) > minutes) {
      minutes += 1;
      await everyMinute(minutes * 60);
    }
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
}
