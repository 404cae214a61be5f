/** How many connections a server gets: what waits, what makes them fewer and more. */
import { afterEach, describe, expect, test } from 'vitest';
import type { DispatchResult, FailedDispatch } from '../../../src/dispatch/dispatcher.ts';
import { createConnections } from '../../../src/dispatch/smtp/connection-slots.ts';
import { createConnectionLimits } from '../../../src/dispatch/smtp/connection-limits.ts';
import { parseSmtpOptions } from '../../../src/dispatch/smtp/smtp-settings.ts';
import { createSender } from '../../../src/dispatch/smtp/sender.ts';
import { silentLogger } from '../../../src/vocabulary.ts';
import { createTestDatabase } from '../../support/database.ts';
import { conversation, startSmtpScript } from '../../support/smtp-script.ts';
import { context, delivery, until } from '../support.ts';

const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const never = new AbortController().signal;
const minutes = 60_000;

describe('connections', () => {
  test('are as many as configured; what comes later waits for one to be free, in order', async () => {
    const connections = createConnections(2);
    const order: number[] = [];
    const enter = (n: number) => connections.enter(never).then(() => order.push(n));
    await Promise.all([enter(1), enter(2)]);
    const third = enter(3);
    const fourth = enter(4);
    connections.leave();
    await third;
    connections.leave();
    await fourth;
    expect(order).toEqual([1, 2, 3, 4]);
  });

  test('become fewer when the server refuses more, never none, and one more after ten minutes without that', async () => {
    const connections = createConnections(5);
    for (let i = 0; i < 4; i++) await connections.enter(never);
    expect(connections.crowded(0)).toBe(true);
    expect(connections.allowed).toBe(3);
    expect(connections.worked(9 * minutes)).toBe(false);
    expect(connections.worked(10 * minutes)).toBe(true);
    expect(connections.worked(11 * minutes)).toBe(false);
    expect(connections.allowed).toBe(4);
    expect(connections.worked(20 * minutes)).toBe(true);
    expect(connections.worked(90 * minutes)).toBe(false);
    expect(connections.allowed).toBe(5);
  });

  test('are not made fewer by the refusal of the only one', async () => {
    const connections = createConnections(5);
    await connections.enter(never);
    expect(connections.crowded(0)).toBe(false);
    expect(connections.allowed).toBe(5);
  });

  test('what waits is told when it cannot go, and lets go when it is aborted', async () => {
    const connections = createConnections(1);
    await connections.enter(never);
    const why: FailedDispatch = { outcome: 'retry', reason: 'authentication', detail: 'no', pauseMethod: true };
    const stop = new AbortController();
    const aborted = connections.enter(stop.signal);
    stop.abort();
    expect(await aborted).toMatchObject({ reason: 'shutdown', countAttempt: false });
    const stopped = connections.enter(never);
    connections.stop(why);
    expect(await stopped).toBe(why);
    connections.leave();
    expect(await connections.enter(never)).toBeNull();
  });
});

describe('a server that takes two connections only', () => {
  test.each([
    ['421 at the greeting', '421 4.7.0 mx.test Error: too many connections from 127.0.0.1', 'greeting'],
    ['432 at MAIL', '432 4.3.2 Concurrent connections limit exceeded', 'mail'],
  ] as const)(
    'gets two of ours by %s: the others are given back without blame, and nothing is paused',
    async (_, reply, phase) => {
      let open = 0;
      const relay = await startSmtpScript(() => {
        open += 1;
        if (open > 2) return conversation({ [phase]: { reply, then: 'end' } });
        return conversation({ message: { delayMs: 400, reply: '250 2.0.0 ok' } });
      });
      closing.push(() => relay.close());
      const allowed: number[] = [];
      const settings = parseSmtpOptions({
        host: '127.0.0.1',
        port: relay.port,
        tls: 'none',
        from: { address: 'noreply@acme.example' },
      });
      const sender = createSender('default', settings, (now) => allowed.push(now));
      closing.push(() => sender.close());
      const to = { local: 'ada', domain: 'example.com', internationalised: false };
      const send = async () =>
        (await sender.send(delivery(), to, { context: context(), idDomain: 'acme.example' })).result;
      const first = [send(), send()];
      await until(() => relay.lines().filter((line) => line.startsWith('MAIL')).length === 2);
      const others = [send(), send(), send()];
      const words = (result: DispatchResult) => [
        result.outcome,
        'countAttempt' in result ? result.countAttempt : undefined,
      ];
      expect((await Promise.all(others)).map(words)).toEqual(Array.from({ length: 3 }, () => ['retry', false]));
      expect((await Promise.all(first)).map(words)).toEqual([
        ['sent', undefined],
        ['sent', undefined],
      ]);
      expect(allowed.at(-1)).toBe(2);
    },
  );
});

test('a refusal of the only connection costs the message no attempt', async () => {
  const reply = '432 4.3.2 Concurrent connections limit exceeded';
  const relay = await startSmtpScript(() => conversation({ mail: { reply } }));
  const from = { address: 'noreply@acme.example' };
  const sender = createSender(
    'default',
    parseSmtpOptions({ host: '127.0.0.1', port: relay.port, tls: 'none', from }),
    () => undefined,
  );
  closing.push(
    () => relay.close(),
    () => sender.close(),
  );
  const to = { local: 'ada', domain: 'example.com', internationalised: false };
  const { result } = await sender.send(delivery(), to, { context: context(), idDomain: 'acme.example' });
  expect(result).toMatchObject({
    outcome: 'retry',
    reason: 'throttled',
    countAttempt: false,
    retryAfterSeconds: 30,
  });
});

test('a process begins with the connection limit that an earlier one found, until it is as configured again', async () => {
  const database = await createTestDatabase();
  closing.push(() => database.close());
  const services = { pool: database.pool, method: 'smtp', logger: silentLogger };
  const fresh = () => ({ name: 'main', connections: createConnections(5) });
  const first = createConnectionLimits();
  await first.start(services, []);
  first.remember('main', 2);
  await first.close();
  const begun = fresh();
  await createConnectionLimits().start(services, [begun]);
  expect(begun.connections.allowed).toBe(2);
  first.remember('main', null);
  await first.close();
  const later = fresh();
  await createConnectionLimits().start(services, [later]);
  expect(later.connections.allowed).toBe(5);
});
