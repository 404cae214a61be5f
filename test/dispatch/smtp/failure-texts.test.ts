/** What an operator reads when a connection, a login or the settings of a relay are at fault: the true cause. */
import { createServer } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { type SmtpOptions, smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { certificate, certificateFiles } from '../../support/certificates.ts';
import { listenLocally } from '../../support/recorder.ts';
import { conversation, startSmtpScript, type Step } from '../../support/smtp-script.ts';
import { startSmtpServer } from '../../support/smtp-server.ts';
import { useDatabase } from '../../support/use-database.ts';
import { context, delivery } from '../support.ts';

const database = useDatabase();
const closing: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
let methods = 0;

async function resultOf(port: number, options: Partial<SmtpOptions> = {}) {
  const dispatcher = smtp({
    host: '127.0.0.1',
    port,
    tls: 'none',
    from: { address: 'noreply@acme.example' },
    sendTimeoutSeconds: 4,
    ...options,
  });
  // A method of its own: the evidence of other tests says nothing about this one.
  await dispatcher.start?.({ method: `smtp-${++methods}`, pool: database.pool, logger: context().logger });
  closing.push(() => dispatcher.close?.());
  return dispatcher.dispatch(delivery({ method: 'smtp' }), context());
}

async function scripted(...steps: readonly Step[]) {
  const relay = await startSmtpScript(() => steps);
  closing.push(() => relay.close());
  return relay.port;
}

const tlsFault = (detail: RegExp) => ({
  outcome: 'retry',
  reason: 'tls',
  pauseMethod: true,
  detail: expect.stringMatching(detail),
});
const trusting = { caFile: certificateFiles.ca, servername: 'localhost' };

test('TLS to a port without it is not called a fault of the certificate', async () => {
  const relay = await startSmtpServer();
  closing.push(() => relay.close());
  const result = await resultOf(relay.port, { tls: 'implicit', ...trusting });
  expect(result).toMatchObject(tlsFault(/^TLS handshake: .*another version, or no TLS on this port$/));
});

test('a server with an older TLS version is not called a fault of the certificate', async () => {
  const server = createServer({ ...certificate('localhost'), minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
  server.on('tlsClientError', () => undefined);
  const { port, close } = await listenLocally(server);
  closing.push(close);
  const result = await resultOf(port, { tls: 'implicit', minTlsVersion: 'TLSv1.3', ...trusting });
  expect(result).toMatchObject(tlsFault(/^TLS handshake: /));
});

test('a server that closes the connection at AUTH is not said to have closed before it greeted', async () => {
  const [greeting = {}] = conversation();
  const port = await scripted(
    greeting,
    { expect: /^EHLO /i, reply: '250-mx.test\r\n250 AUTH PLAIN' },
    { expect: /^AUTH /, then: 'end' },
  );
  expect(await resultOf(port, { auth: { user: 'u', password: 'p' } })).toMatchObject({
    outcome: 'retry',
    reason: 'authentication',
    pauseMethod: true,
    detail: 'the server closed the connection during the login',
  });
});

test('a demand for TLS at MAIL is about TLS, not about the login', async () => {
  const port = await scripted(...conversation({ mail: { reply: '530 5.7.0 Must issue a STARTTLS command first' } }));
  expect(await resultOf(port)).toMatchObject(tlsFault(/^the server demands TLS: 530 5\.7\.0/));
});

test('no space on the server is not a full mailbox', async () => {
  const port = await scripted(...conversation({ recipient: { reply: '452 4.3.1 Insufficient system storage' } }));
  expect(await resultOf(port)).toMatchObject({ outcome: 'retry', reason: 'deferred' });
});

test('an unknown recipient after the end of the message is one, and counts against the address', async () => {
  const port = await scripted(...conversation({ message: { reply: '550 5.1.1 User unknown' } }));
  expect(await resultOf(port)).toMatchObject({ outcome: 'failed', reason: 'no_such_recipient', addressFault: true });
});

test('a bad sequence at DATA is tried again', async () => {
  const port = await scripted(...conversation({ data: { reply: '503 5.5.1 Error: need RCPT command' } }));
  expect(await resultOf(port)).toMatchObject({ outcome: 'retry', reason: 'protocol' });
});

test('a size limit that is not a number is ignored', async () => {
  const port = await scripted(...conversation({ ehlo: { reply: '250-mx.test\r\n250 SIZE 12abc' } }));
  expect(await resultOf(port)).toMatchObject({ outcome: 'sent' });
});

test('opportunistic TLS accepts a self-signed certificate', async () => {
  const relay = await startSmtpServer({ tls: 'starttls' });
  closing.push(() => relay.close());
  // Without the CA of the tests the certificate is unknown, and its name is not that of the host.
  expect(await resultOf(relay.port, { tls: 'opportunistic' })).toMatchObject({ outcome: 'sent' });
  expect(relay.received()[0]?.secure).toBe(true);
});
