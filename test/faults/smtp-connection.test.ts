/**
 * The relay cannot be reached, or refuses us. That is always the method's fault: it pauses, and nothing is counted.
 */
import { expect, test } from 'vitest';
import { freePort, missing, needing } from '../support/daemons.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { startSmtpScript } from '../support/smtp-script.ts';
import { openScene } from './scene.ts';

const scene = openScene();
const sink = needing(missing('smtp-sink', 'postfix'));

test('a relay that refuses TCP', async () => {
  expect(await scene.deliver({ port: await freePort() })).toEqual({
    status: 'pending',
    counted: 0,
    attempts: ['retry, free: unreachable: no connection: ECONNREFUSED'],
    paused: 'unreachable',
    nextInSeconds: 5,
  });
  const told = scene.logger().lines.filter((line) => line.level === 'error');
  expect(told).toMatchObject([{ fields: { method: 'smtp', reason: 'unreachable' }, message: /^method paused/ }]);
});

test.skipIf(sink.skip)(sink.name('closed before the greeting, one connection per probe'), async () => {
  const relay = scene.use(await startSmtpSink(['-q', 'CONNECT']));
  expect(await scene.deliver({ port: relay.port })).toEqual({
    status: 'pending',
    counted: 0,
    attempts: ['retry, free: unreachable: the server closed the connection before it greeted'],
    paused: 'unreachable',
    nextInSeconds: 5,
  });
  expect([relay.connections(), relay.mails().length]).toEqual([1, 0]);
});

// Scaled: the greeting may take half of sendTimeoutSeconds, 60 s by default.
test('a relay that does not greet', async () => {
  const relay = scene.use(await startSmtpScript([]));
  expect(await scene.deliver({ port: relay.port, sendTimeoutSeconds: 2 })).toMatchObject({
    status: 'pending',
    counted: 0,
    attempts: ['retry, free: connect_timeout: no greeting in time'],
    paused: 'connect_timeout',
  });
});

test('greeted with 421', async () => {
  const relay = scene.use(await startSmtpScript([{ reply: '421 4.3.2 mx.test service not available', then: 'end' }]));
  expect(await scene.deliver({ port: relay.port })).toMatchObject({
    status: 'pending',
    counted: 0,
    attempts: ['retry, free: throttled: the server closes the session: 421 4.3.2 mx.test service not available'],
    paused: 'throttled',
    nextInSeconds: 10,
  });
});

test('greeted with 554, which is about us and not about the message', async () => {
  const relay = scene.use(await startSmtpScript([{ reply: '554 5.3.2 no SMTP service here', then: 'end' }]));
  expect(await scene.deliver({ port: relay.port })).toMatchObject({
    status: 'pending',
    counted: 0,
    attempts: ['retry, free: unreachable: the server refuses us: 554 5.3.2 no SMTP service here'],
    paused: 'unreachable',
  });
  expect(relay.connections().total).toBe(1);
});
