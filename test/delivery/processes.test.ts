/** Several workers in processes of their own, one of them killed: what the promise is about. */
import { afterEach, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { startHttpServer } from '../support/http-server.ts';
import { type Program, programs } from '../support/processes.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { skipUnknownWaits } from '../support/unknown-waits.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });
const herald = createHerald();
const start = programs(afterEach);

afterEach(async () => {
  await database.pool.query('TRUNCATE herald.message, herald.attempt');
  await database.pool.query('DELETE FROM herald_queue.job');
});

async function startWorker(options: object): Promise<Program> {
  const program = start(new URL('worker-program.ts', import.meta.url), {
    env: { HERALD_TEST_WORKER: JSON.stringify({ url: database.url, ...options }) },
  });
  await program.line(/ready/, { timeoutMs: 60_000 });
  return program;
}

async function unsettled(): Promise<number> {
  const result = await database.pool.query(
    `SELECT count(*)::int AS n FROM herald.message WHERE status NOT IN ('sent', 'failed')`,
  );
  return result.rows[0].n;
}

/** Transactions of one message each; every tenth rolls back. Returns the ids that were committed. */
async function enqueueInTransactions(count: number, method: 'smtp' | 'webhook'): Promise<Set<string>> {
  const committed = new Set<string>();
  let next = 0;
  const one = async () => {
    const client = await database.pool.connect();
    for (let i = next++; i < count; i = next++) {
      await client.query('BEGIN');
      const [message] = await herald.enqueue(client, greeting, {
        to: { id: `u${i}`, email: `u${i}@example.com` },
        labels: { who: `number ${i}` },
        methods: [method],
      });
      await client.query(i % 10 === 9 ? 'ROLLBACK' : 'COMMIT');
      if (i % 10 !== 9 && message !== undefined) committed.add(message.id);
    }
    client.release();
  };
  await Promise.all(Array.from({ length: 8 }, one));
  return committed;
}

describe('workers side by side', () => {
  test('deliver exactly what was committed, each message once, and leave nothing unsettled', {
    timeout: 120_000,
  }, async () => {
    const receiver = await startHttpServer({ answer: [{ status: 204 }] });
    const workers = await Promise.all(
      Array.from({ length: 4 }, () => startWorker({ webhookUrl: `${receiver.url}/hook` })),
    );
    const committed = await enqueueInTransactions(10_000, 'webhook');
    await until(async () => (await unsettled()) === 0, { timeoutMs: 90_000, intervalMs: 200 });
    const arrived = receiver.received().map((request) => String(request.headers['webhook-id']));
    expect(committed.size).toBe(9000);
    expect(arrived).toHaveLength(9000);
    expect(new Set(arrived)).toEqual(committed);
    const result = await database.pool.query(`SELECT status, count(*)::int AS n FROM herald.message GROUP BY status`);
    expect(result.rows).toEqual([{ status: 'sent', n: 9000 }]);
    const took = await database.pool.query('SELECT count(DISTINCT worker)::int AS n FROM herald.attempt');
    expect(took.rows[0].n).toBeGreaterThan(1);
    await Promise.all(workers.map((worker) => worker.kill('SIGTERM')));
    await receiver.close();
  });

  test('lose nothing when one is killed in the middle of slow SMTP deliveries, and mark what may go out twice', {
    timeout: 120_000,
  }, async () => {
    const server = await startSmtpServer({
      onMessage: async () => {
        await new Promise((resolve) => setTimeout(resolve, 150));
        return undefined;
      },
    });
    const victim = await startWorker({ smtpPort: server.port, concurrency: 20 });
    const committed = await enqueueInTransactions(1000, 'smtp');
    await server.waitFor(200, { timeoutMs: 30_000 });
    await victim.kill('SIGKILL');
    const heir = await startWorker({ smtpPort: server.port, concurrency: 20 });
    await until(
      async () => {
        await skipUnknownWaits(database.pool);
        return (await unsettled()) === 0;
      },
      { timeoutMs: 90_000, intervalMs: 200 },
    );
    await heir.kill('SIGTERM');

    const copies = new Map<string, string[]>();
    for (const mail of server.received()) {
      const { messageId } = await mail.parsed();
      const id = String(messageId).slice(1, 37);
      copies.set(id, [...(copies.get(id) ?? []), String(messageId)]);
    }
    await server.close();
    expect(new Set(copies.keys())).toEqual(committed);
    const broken = await database.pool.query<{ id: string }>(
      `SELECT DISTINCT message_id AS id FROM herald.attempt WHERE outcome = 'unknown' AND reason = 'worker_lost'`,
    );
    const marked = new Set(broken.rows.map((row) => row.id));
    expect(marked.size).toBeGreaterThan(0);
    for (const [id, messageIds] of copies) {
      if (messageIds.length > 1) expect(marked).toContain(id);
      expect(new Set(messageIds).size).toBe(1);
    }
    const result = await database.pool.query(`SELECT status, count(*)::int AS n FROM herald.message GROUP BY status`);
    expect(result.rows).toEqual([{ status: 'sent', n: 900 }]);
  });
});
