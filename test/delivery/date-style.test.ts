/** A display setting of the database must not matter. */
import { onTestFinished, test, expect } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test.each(['German', 'SQL, DMY', 'Postgres, MDY'])('delivers and retries with DateStyle %s', async (style) => {
  await database.pool.query('TRUNCATE herald.message, herald.attempt; DELETE FROM herald_queue.job');
  await database.pool.query(`ALTER DATABASE ${database.name} SET datestyle = '${style}'`);
  const smtp = scriptedDispatcher(({ attempt }) =>
    attempt === 1 ? { outcome: 'retry', reason: 'deferred', detail: '' } : { outcome: 'sent' },
  );
  const worker = testWorker(database.url, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(() => worker.stop());
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'u', email: 'u@example.com' },
    labels: { who: 'x' },
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  await until(() => smtp.deliveries.length === 2);
  for (const delivery of smtp.deliveries) {
    expect(Math.abs(delivery.createdAt.getTime() - Date.now())).toBeLessThan(60_000);
    expect(delivery.expiresAt?.getTime()).toBeGreaterThan(Date.now());
  }
});
