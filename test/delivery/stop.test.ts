/** How a worker ends when something does not. */
import { createServer, connect, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, keepingLogger, scriptedDispatcher, testWorker } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const database = useDatabase({ templates: { greeting: greetingFile } });

test('what has no reply when the worker must stop is recorded as unknown, and waits for five minutes', async () => {
  await createHerald().enqueue(database.pool, greeting, {
    autocommit: true,
    to: { id: 'u', email: 'u@example.com' },
    labels: { who: 'x' },
  });
  const logger = keepingLogger();
  const smtp = scriptedDispatcher(() => new Promise<never>(() => undefined));
  const worker = testWorker(database.url, { dispatchers: { smtp }, stopTimeoutSeconds: 3, logger });
  await worker.start();
  await until(() => smtp.deliveries.length === 1);
  const startedAt = performance.now();
  await worker.stop();
  expect(performance.now() - startedAt).toBeLessThan(5000);
  const { rows } = await database.pool.query(
    `SELECT m.status, m.reason, m.unknowns, m.next_attempt_at > now() + interval '4 minutes' AS waits, a.outcome
     FROM herald.message m JOIN herald.attempt a ON a.message_id = m.id`,
  );
  expect(rows).toEqual([{ status: 'pending', reason: 'shutdown', unknowns: 1, waits: true, outcome: 'unknown' }]);
  expect(logger.lines.filter((line) => /database/.test(line.message))).toEqual([]);
});

/** A way to the database that can stop passing anything on, in both directions, without closing. */
async function freezable(url: string) {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let frozen = false;
  const server = createServer((client) => {
    const upstream = connect({ host: target.hostname, port: Number(target.port || 5432) });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    client.on('data', (data) => void (frozen || upstream.write(data)));
    upstream.on('data', (data) => void (frozen || client.write(data)));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      one.on('close', () => void (frozen || other.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String((server.address() as AddressInfo).port);
  return {
    url: through.href,
    freeze: () => (frozen = true),
    open: () => [...sockets].filter((socket) => socket.localPort === Number(through.port)).length,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

test('a database that hangs does not keep the worker longer than its stop timeout, nor any connection', async () => {
  const way = await freezable(database.url);
  onTestFinished(() => way.close());
  const worker = testWorker(way.url, { dispatchers: { smtp: scriptedDispatcher() }, stopTimeoutSeconds: 4 });
  await worker.start();
  expect(way.open()).toBeGreaterThan(2);
  way.freeze();
  const startedAt = performance.now();
  await worker.stop();
  expect(performance.now() - startedAt).toBeLessThan(6000);
  await until(() => way.open() === 0);
});
