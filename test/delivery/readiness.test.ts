/** A worker that cannot deliver says so, although the database answers. */
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { expect, onTestFinished, test } from 'vitest';
import { applyRoles } from '../../src/database/roles.ts';
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
    const reader = new PrometheusExporter({ preventServerStart: true });
    const telemetry = { meterProvider: new MeterProvider({ readers: [reader] }) };
    const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() }, telemetry });
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
    const metrics = new PrometheusSerializer().serialize((await reader.collect()).resourceMetrics);
    expect(metrics).toMatch(/^herald_database_errors_total\S* [1-9]/m);
    await database.pool.query(`DROP TRIGGER refuse ON ${table}`);
    await until(async () => (await worker.health()).ready, { timeoutMs: 40_000, intervalMs: 500 });
  },
  90_000,
);

test('a right that is revoked under a worker makes it not ready, and it delivers once it is granted again', async () => {
  const role = `${database.name}_worker`;
  await applyRoles(database.url);
  await database.pool.query(`CREATE ROLE ${role} LOGIN IN ROLE herald_worker`);
  const url = new URL(database.url);
  url.username = role;
  const smtp = scriptedDispatcher();
  const worker = testWorker(url.href, { dispatchers: { smtp } });
  await worker.start();
  onTestFinished(async () => {
    await worker.stop();
    await database.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });
  await until(async () => (await worker.health()).ready);
  await database.pool.query('REVOKE SELECT ON herald.message FROM herald_worker');
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'v', email: 'v@example.com' },
    labels: { who: 'x' },
  });
  await until(async () => !(await worker.health()).ready, { timeoutMs: 20_000, intervalMs: 200 });
  await applyRoles(database.url);
  await until(() => smtp.deliveries.length > 0, { timeoutMs: 40_000 });
  await until(async () => (await worker.health()).ready, { timeoutMs: 40_000, intervalMs: 500 });
}, 120_000);
