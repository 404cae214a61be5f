import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Worker } from '../../src/delivery/worker.ts';
import { createHerald, type EnqueuedMessage } from '../../src/enqueue/enqueue.ts';
import { pauseMethod, listPauses, resumeMethod } from '../../src/operate/pause.ts';
import {
  greeting,
  greetingFile,
  keepingLogger,
  putTemplates,
  scriptedDispatcher,
  testWorker,
} from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { skipUnknownWaits } from '../support/unknown-waits.ts';
import { until } from '../support/wait.ts';

let database: TestDatabase;
let workers: Worker[] = [];
const herald = createHerald();

beforeAll(async () => {
  database = await createTestDatabase();
  await putTemplates(database.pool, {
    greeting: greetingFile,
    careful: greetingFile.replace('group:', 'unknown: hold\ngroup:'),
  });
});
beforeEach(async () => {
  await database.pool.query('TRUNCATE herald.message, herald.attempt');
  await database.pool.query('DELETE FROM herald_queue.job');
  await resumeMethod(database.pool, { method: '*' });
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  workers = [];
});
afterAll(() => database.close());

function start(options: Parameters<typeof testWorker>[1]): Promise<void> {
  const worker = testWorker(database.url, options);
  workers.push(worker);
  return worker.start();
}

async function enqueue(count = 1, template = greeting): Promise<EnqueuedMessage[]> {
  const to = Array.from({ length: count }, (_, i) => ({ id: `user-${i}`, email: `user-${i}@example.com` }));
  return herald.enqueue(database.pool, template, { autocommit: true, to, labels: { who: 'Ada' } });
}

async function messages() {
  const result = await database.pool.query(
    `SELECT *, CASE WHEN status <> 'held' THEN next_attempt_at - now() END AS wait FROM herald.message ORDER BY id`,
  );
  return result.rows;
}

async function attempts() {
  return (await database.pool.query('SELECT * FROM herald.attempt ORDER BY message_id, number')).rows;
}

async function jobs(): Promise<number> {
  return (await database.pool.query(`SELECT count(*)::int AS n FROM herald_queue.job WHERE name = 'smtp'`)).rows[0].n;
}

const statuses = async () => (await messages()).map((row) => row.status);

describe('a worker', () => {
  test('delivers what was committed, once, with its rendered content, and leaves no job behind', async () => {
    const smtp = scriptedDispatcher();
    await start({ dispatchers: { smtp } });
    const [message] = await enqueue();
    await until(async () => (await statuses()).every((status) => status === 'sent'));
    expect(smtp.deliveries).toHaveLength(1);
    expect(smtp.deliveries[0]).toMatchObject({
      messageId: message?.id,
      attempt: 1,
      method: 'smtp',
      content: { title: 'Hello Ada', text: expect.stringContaining('Dear Ada') },
    });
    expect(await attempts()).toMatchObject([{ number: 1, outcome: 'sent', counted: true }]);
    await until(async () => (await jobs()) === 0);
  });

  test('is woken by the commit, without waiting for a poll', async () => {
    const smtp = scriptedDispatcher();
    await start({ dispatchers: { smtp }, pollSeconds: 60 });
    await enqueue();
    await until(() => smtp.deliveries.length === 1, { timeoutMs: 5000 });
  });

  test('never sees what was rolled back', async () => {
    const smtp = scriptedDispatcher();
    await start({ dispatchers: { smtp } });
    const client = await database.pool.connect();
    await client.query('BEGIN');
    await herald.enqueue(client, greeting, { to: { id: '1', email: 'a@example.com' }, labels: { who: 'Nobody' } });
    await client.query('ROLLBACK');
    client.release();
    await enqueue();
    await until(async () => (await statuses()).includes('sent'));
    expect(smtp.deliveries.map((delivery) => delivery.labels)).toEqual([{ who: 'Ada' }]);
  });

  test('tries again after a retry and fails when the attempts are spent, with the last reason', async () => {
    const smtp = scriptedDispatcher((delivery) => ({
      outcome: 'retry',
      reason: 'deferred',
      detail: `try ${delivery.attempt}`,
      reply: { code: '450', enhanced: '4.2.0', text: 'later' },
    }));
    await start({ dispatchers: { smtp } });
    await enqueue();
    await until(async () => (await statuses())[0] === 'failed');
    expect(await messages()).toMatchObject([
      { status: 'failed', reason: 'deferred', detail: 'try 3', attempts: 3, counted: 3 },
    ]);
    expect((await attempts()).map((row) => [row.number, row.outcome, row.reply_code, row.reply_enhanced])).toEqual(
      [1, 2, 3].map((n) => [n, 'retry', '450', '4.2.0']),
    );
    await until(async () => (await jobs()) === 0);
  });

  test('waits for the time of a retry, which its job has too, and keeps the priority', async () => {
    const smtp = scriptedDispatcher(() => ({ outcome: 'retry', reason: 'deferred', detail: '' }), {
      retryDelaysSeconds: [1000, 1000],
    });
    await start({ dispatchers: { smtp } });
    await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: { id: 'a', email: 'a@example.com' },
      labels: { who: 'x' },
      priority: 7,
    });
    await until(
      async () =>
        (await database.pool.query(`SELECT 1 FROM herald_queue.job WHERE start_after > now() + interval '10 minutes'`))
          .rowCount,
    );
    const job = await database.pool.query(
      `SELECT j.priority, j.state, j.start_after = date_trunc('milliseconds', m.next_attempt_at) AS same FROM herald_queue.job j JOIN herald.message m USING (id)`,
    );
    expect(job.rows).toEqual([{ priority: 7, state: 'created', same: true }]);
    expect(smtp.deliveries).toHaveLength(1);
  });

  test('fails a permanent refusal at once', async () => {
    const smtp = scriptedDispatcher(() => ({ outcome: 'failed', reason: 'no_such_recipient', detail: '550 5.1.1' }));
    await start({ dispatchers: { smtp } });
    await enqueue();
    await until(async () => (await statuses())[0] === 'failed');
    expect(smtp.deliveries).toHaveLength(1);
  });

  test('pauses a method that is at fault for every worker, counts nothing, and resumes automatically when a probe succeeds', async () => {
    let broken = true;
    const logger = keepingLogger();
    const answer = () =>
      broken
        ? ({ outcome: 'retry', reason: 'authentication', detail: '535', pauseMethod: true } as const)
        : ({ outcome: 'sent' } as const);
    const smtp = scriptedDispatcher(answer, { concurrency: 4 });
    await start({ dispatchers: { smtp }, logger });
    await enqueue(50);
    await until(async () => (await listPauses(database.pool)).length === 1);
    expect(await listPauses(database.pool)).toMatchObject([
      { method: 'smtp', kind: 'fault', reason: 'authentication', detail: '535' },
    ]);
    await until(async () => (await statuses()).every((status) => status === 'pending'));
    expect(smtp.deliveries.length).toBeLessThanOrEqual(4);
    expect((await messages()).every((row) => row.counted === 0)).toBe(true);
    expect(logger.lines.filter((line) => line.message.startsWith('method paused'))).toHaveLength(1);
    broken = false;
    await database.pool.query(`UPDATE herald.method SET probe_at = now() WHERE name = 'smtp'`);
    await until(async () => (await statuses()).every((status) => status === 'sent'));
    expect(await listPauses(database.pool)).toEqual([]);
  });

  test("keeps an operator's pause until it is resumed", async () => {
    const smtp = scriptedDispatcher();
    await pauseMethod(database.pool, { method: '*', by: 'ada', why: 'maintenance' });
    await start({ dispatchers: { smtp } });
    await enqueue();
    await until(
      async () =>
        (
          await database.pool.query(
            `SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'pg-herald worker%' AND datname = current_database()`,
          )
        ).rowCount,
    );
    expect(await statuses()).toEqual(['pending']);
    await resumeMethod(database.pool, { method: '*' });
    await until(async () => (await statuses())[0] === 'sent');
  });

  test('takes over from a worker that died, records its attempt as unknown and sends again after five minutes', async () => {
    await enqueue();
    await leaveBehind('dead-worker');
    const smtp = scriptedDispatcher();
    await start({ dispatchers: { smtp } });
    await until(async () => (await messages())[0]?.reason === 'worker_lost', { timeoutMs: 15_000 });
    expect(smtp.deliveries).toEqual([]);
    await until(
      async () => {
        await skipUnknownWaits(database.pool);
        return (await statuses())[0] === 'sent';
      },
      { timeoutMs: 15_000 },
    );
    expect(await attempts()).toMatchObject([
      { number: 1, worker: 'dead-worker', outcome: 'unknown', reason: 'worker_lost' },
      { number: 2, outcome: 'sent' },
    ]);
  });

  test('holds a message of a dead worker where a second copy is not allowed', async () => {
    await enqueue(1, { ...greeting, name: 'careful' } as never);
    await leaveBehind('dead-worker');
    const smtp = scriptedDispatcher();
    await start({ dispatchers: { smtp } });
    await until(async () => (await statuses())[0] === 'held', { timeoutMs: 15_000 });
    expect(smtp.deliveries).toEqual([]);
  });

  /** As a worker leaves a message that is killed while it dispatches: job leased, attempt open, heartbeat long ago. */
  async function leaveBehind(worker: string): Promise<void> {
    await database.pool.query(
      `UPDATE herald_queue.job SET state = 'active', started_on = now() - interval '1 minute', heartbeat_on = now() - interval '1 minute'`,
    );
    await database.pool.query(
      `UPDATE herald.message SET status = 'sending', attempts = 1, lease_token = gen_random_uuid(), leased_by = $1, attempt_started_at = now() - interval '1 minute'`,
      [worker],
    );
  }

  test('does not dispatch a settled message again when its job outlived the settlement', async () => {
    await enqueue();
    await database.pool.query(`UPDATE herald.message SET status = 'sent', settled_at = now()`);
    const smtp = scriptedDispatcher();
    await start({ dispatchers: { smtp } });
    await until(async () => (await jobs()) === 0);
    expect(smtp.deliveries).toEqual([]);
  });

  test('gives a message without a job a new one', async () => {
    await enqueue();
    await database.pool.query('DELETE FROM herald_queue.job');
    await database.pool.query(`SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))`);
    await start({ dispatchers: { smtp: scriptedDispatcher() } });
    await until(async () => (await statuses())[0] === 'sent');
  });

  test('does not send after the expiry', async () => {
    await enqueue();
    await database.pool.query(`UPDATE herald.message SET expires_at = now() - interval '1 second'`);
    const smtp = scriptedDispatcher();
    await start({ dispatchers: { smtp } });
    await until(async () => (await statuses())[0] === 'expired');
    expect(smtp.deliveries).toEqual([]);
  });

  test('ends a dispatch that is under way when the message expires', async () => {
    const smtp = scriptedDispatcher(
      (_, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () =>
            resolve({ outcome: 'retry', reason: 'shutdown', detail: '', countAttempt: false }),
          );
        }),
    );
    await start({ dispatchers: { smtp } });
    await herald.enqueue(database.pool, greeting, {
      autocommit: true,
      to: { id: 'a', email: 'a@example.com' },
      labels: { who: 'x' },
      ttlSeconds: 1,
    });
    await until(async () => (await statuses())[0] === 'expired');
    expect(smtp.deliveries).toHaveLength(1);
  });

  test('inhibits what waits when its template or method is disabled', async () => {
    await enqueue();
    await database.pool.query(`UPDATE herald.method SET enabled = false WHERE name = 'smtp'`);
    await start({ dispatchers: { smtp: scriptedDispatcher() } });
    await until(async () => (await statuses())[0] === 'inhibited');
    expect(await messages()).toMatchObject([{ reason: 'method_disabled' }]);
    await database.pool.query('UPDATE herald.method SET enabled = true');
  });

  test('asks the preference again before a retry', async () => {
    const smtp = scriptedDispatcher(async (delivery) => {
      await herald.setPreference(database.pool, {
        recipientId: delivery.recipient.id,
        template: 'greeting',
        enabled: false,
      });
      return { outcome: 'retry', reason: 'deferred', detail: '' };
    });
    await start({ dispatchers: { smtp } });
    await enqueue();
    await until(async () => (await statuses())[0] === 'inhibited');
    expect(await messages()).toMatchObject([{ reason: 'preference' }]);
    await database.pool.query('DELETE FROM herald.preference');
  });

  test('fails a message that cannot be rendered at once and names the place', async () => {
    await enqueue();
    await database.pool.query(`UPDATE herald.notification SET labels = '{}'`);
    const smtp = scriptedDispatcher();
    await start({ dispatchers: { smtp } });
    await until(async () => (await statuses())[0] === 'failed');
    expect(await messages()).toMatchObject([{ reason: 'render_failed', detail: expect.stringContaining('who') }]);
    expect(smtp.deliveries).toEqual([]);
  });

  test('retries a bug in a dispatcher and logs its stack without its message', async () => {
    const logger = keepingLogger();
    const smtp = scriptedDispatcher((delivery) => {
      if (delivery.attempt === 1) throw new Error('secret-of-ada@example.com');
      return { outcome: 'sent' };
    });
    await start({ dispatchers: { smtp }, logger });
    await enqueue();
    await until(async () => (await statuses())[0] === 'sent');
    expect(await attempts()).toMatchObject([{ outcome: 'retry', reason: 'internal' }, { outcome: 'sent' }]);
    expect(logger.lines.some((line) => line.message === 'a delivery threw')).toBe(true);
    expect(JSON.stringify([logger.lines, await attempts()])).not.toContain('secret-of-ada');
  });

  test('returns to the queue at the stop what it can, uncounted, and finishes the rest', async () => {
    const smtp = scriptedDispatcher(
      (delivery, { signal }) =>
        new Promise((resolve) => {
          if (delivery.recipient.id === 'user-0') return resolve({ outcome: 'sent' });
          return signal.addEventListener('abort', () =>
            resolve({ outcome: 'retry', reason: 'shutdown', detail: '', countAttempt: false }),
          );
        }),
    );
    const worker = testWorker(database.url, { dispatchers: { smtp }, stopTimeoutSeconds: 1 });
    await worker.start();
    await enqueue(3);
    await until(() => smtp.deliveries.length === 3);
    await worker.stop();
    const rows = await messages();
    expect(rows.filter((row) => row.status === 'sent')).toHaveLength(1);
    expect(rows.filter((row) => row.status === 'pending').map((row) => row.counted)).toEqual([0, 0]);
    await start({ dispatchers: { smtp: scriptedDispatcher() } });
    await until(async () => (await statuses()).every((status) => status === 'sent'));
  });

  test('fences off a worker that lost its lease, and takes its late success', async () => {
    let release: () => void = () => undefined;
    const slow = scriptedDispatcher(
      (delivery) =>
        new Promise(
          (resolve) => (release = () => resolve({ outcome: 'sent', reply: { receiverId: `by-${delivery.attempt}` } })),
        ),
    );
    await start({ dispatchers: { smtp: slow } });
    await enqueue();
    await until(() => slow.deliveries.length === 1);
    // Another worker took it over, recorded the first attempt as unknown and waits for the retry.
    await database.pool.query(
      `INSERT INTO herald.attempt (message_id, number, worker, started_at, finished_at, outcome, reason, counted) SELECT id, 1, 'w', now(), now(), 'unknown', 'worker_lost', true FROM herald.message`,
    );
    await database.pool.query(
      `UPDATE herald.message SET status = 'pending', lease_token = NULL, next_attempt_at = now() + interval '5 minutes'`,
    );
    release();
    await until(async () => (await statuses())[0] === 'sent');
    expect(await attempts()).toMatchObject([{ number: 1, outcome: 'sent', receiver_id: 'by-1' }]);
  });

  test('leaves no connection behind', async () => {
    const worker = testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() } });
    await worker.start();
    await worker.stop();
    await worker.stop();
    await until(
      async () =>
        (
          await database.pool.query(
            `SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'pg-herald%' AND datname = current_database()`,
          )
        ).rowCount === 0,
    );
  });
});

describe('a worker that cannot start says why', () => {
  test('when the database was not migrated', async () => {
    const empty = await createTestDatabase({ empty: true });
    await expect(testWorker(empty.url, { dispatchers: { smtp: scriptedDispatcher() } }).start()).rejects.toThrow(
      /run "pg-herald migrate"/,
    );
    await empty.close();
  });

  test('when a method has no queue', async () => {
    await expect(testWorker(database.url, { dispatchers: { sms: scriptedDispatcher() } }).start()).rejects.toThrow(
      'pg-herald migrate --method sms',
    );
  });

  test.each([
    ['without a brand', undefined, /^brand: is missing/],
    ['with an empty name', { appName: ' ', baseUrl: 'https://acme.example' }, /^brand.appName: must be the name/],
    ['with a relative URL', { appName: 'Acme', baseUrl: 'acme' }, /^brand.baseUrl: "acme" is not an absolute URL/],
    ['with a script as its URL', { appName: 'Acme', baseUrl: 'javascript:alert(1)' }, /^brand.baseUrl: "javascript:/],
    [
      'with a file as its logo',
      { appName: 'Acme', baseUrl: 'https://acme.example', logoUrl: 'logo.png' },
      /^brand.logoUrl: "logo.png"/,
    ],
  ])('%s, at once', (_, brand, message) => {
    expect(() =>
      testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() }, brand: brand as never }),
    ).toThrow(message);
  });

  test('when an option is out of bounds', () => {
    expect(() =>
      testWorker(database.url, { dispatchers: { smtp: scriptedDispatcher() }, stopTimeoutSeconds: 0 }),
    ).toThrow('stopTimeoutSeconds: 0 is out of bounds, use 1 to 900');
    expect(() => testWorker(database.url, { dispatchers: {} })).toThrow(/needs at least one/);
  });
});
