/** The database is away when the relay's 250 arrives. */
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '../../src/database/migrate.ts';
import { smtp } from '../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, keepingLogger, putTemplates, testWorker } from '../support/application.ts';
import { missing, needing } from '../support/daemons.ts';
import { createDatabase } from '../support/postgres/databases.ts';
import { type PostgresServer, startPostgres } from '../support/postgres/server.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { until } from '../support/wait.ts';
import { from } from './scene.ts';

const sink = needing(missing('smtp-sink', 'postfix'));
let server: PostgresServer;
let pool: Pool;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(async () => {
  await pool.end();
  await server.stop();
});

test.skipIf(sink.skip)(
  sink.name('the result is written as soon as the database is back: sent once, recorded once'),
  async () => {
    const url = await createDatabase(server.url, { name: 'outage' });
    await migrate(url);
    pool = new Pool({ connectionString: url });
    pool.on('error', () => undefined);
    await putTemplates(pool, { greeting: greetingFile });
    const relay = await startSmtpSink(['-W', '.:1']);
    const logger = keepingLogger();
    const method = smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from });
    const worker = testWorker(url, { dispatchers: { smtp: method }, logger });
    await worker.start();
    const [message] = await createHerald().enqueue(pool, greeting, {
      autocommit: true,
      to: { id: 'ada', email: 'ada@example.com' },
      labels: { who: 'Ada' },
    });
    const blocker = await pool.connect();
    blocker.on('error', () => undefined);
    await until(() => relay.mails().length === 1);
    // Held back until the server goes down with it, so that the result surely meets the outage.
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM herald.message WHERE id = $1 FOR UPDATE', [message?.id]);
    await until(
      async () =>
        (
          await pool.query(
            `SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg-herald worker%' AND datname = current_database() AND wait_event_type = 'Lock'`,
          )
        ).rowCount,
    );
    await server.restart('immediate');
    blocker.release(true);
    await until(async () => (await pool.query(`SELECT FROM herald.message WHERE status = 'sent'`)).rowCount === 1, {
      timeoutMs: 40_000,
    });
    const attempts = await pool.query('SELECT outcome, counted FROM herald.attempt');
    expect(attempts.rows).toEqual([{ outcome: 'sent', counted: true }]);
    expect(logger.lines.map(({ message: text }) => text).join('\n')).toMatch(
      /the database is away|cannot record results/,
    );
    await worker.stop();
    expect(relay.mails()).toHaveLength(1);
    await relay.close();
  },
);
