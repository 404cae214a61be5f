/** A display setting of the database must not matter. */
import { onTestFinished, test, expect } from 'vitest';
import { createConsole } from '../../src/console/console.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { runCli } from '../cli/support.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test.each(['German', 'SQL, DMY', 'Postgres, MDY'])(
  'delivers, retries and shows with DateStyle %s',
  {
    timeout: 60_000,
  },
  async (style) => {
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
    const today = new Date().toISOString().slice(0, 10);
    const env = { DATABASE_URL: database.url };
    const list = await runCli(['messages', 'list', '--json'], env);
    const [message] = JSON.parse(list.out) as { id: string; createdAt: string }[];
    expect(message?.createdAt.slice(0, 10)).toBe(today);
    const why = await runCli(['why', message?.id ?? ''], env);
    expect([why.code, why.err]).toEqual([0, '']);
    expect((await runCli(['doctor'], env)).out).not.toContain('TypeError');
    const console = createConsole({ connectionString: database.url, token: 'x'.repeat(40) });
    onTestFinished(() => console.close());
    const headers = { authorization: `Bearer ${'x'.repeat(40)}`, host: 'localhost' };
    const page = await console.fetch(new Request(`http://localhost/messages/${message?.id}`, { headers }));
    expect([page.status, (await page.text()).includes(today)]).toEqual([200, true]);
  },
);
