/** A worker that cannot deliver says so, although the database answers. */
import { expect, onTestFinished, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test.each([['begin', 'herald.message', 'UPDATE', /^cannot (lease|begin) \(/]])(
  'a disk that is too full to %s makes it not ready',
  async (_, table, right, text) => {
    await database.pool.query(`CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END$$`);
    const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
    await worker.start();
    onTestFinished(() => worker.stop());
    await until(async () => (await worker.health()).ready);
    await database.pool.query(
      `CREATE TRIGGER refuse BEFORE ${right} ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION public.refuse()`,
    );
    await createHerald().enqueue(database.pool, greeting, {
      autocommit: true,
      to: { id: 'u', email: 'u@example.com' },
      labels: { who: 'x' },
    });
    await until(
      async () => {
        const { ready, checks } = await worker.health();
        expect(ready).toBe(false);
        expect(checks.find(({ name }) => name === 'delivery')).toMatchObject({
          ok: false,
          text: expect.stringMatching(text),
        });
        return true;
      },
      { timeoutMs: 20_000, intervalMs: 200 },
    );
    await database.pool.query(`DROP TRIGGER refuse ON ${table}`);
    await until(async () => (await worker.health()).ready, { timeoutMs: 40_000, intervalMs: 500 });
  },
  90_000,
);
