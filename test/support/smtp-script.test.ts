import { createTransport } from 'nodemailer';
import { expect, onTestFinished, test } from 'vitest';
import { testAuthority } from './certificates.ts';
import { conversation, type Script, startSmtpScript } from './smtp-script.ts';

const mail = { from: 'app@example.org', to: 'ann@example.org', subject: 'x', text: '.dot' };

async function send(script: Script, client: object = { ignoreTLS: true }) {
  const server = await startSmtpScript(script);
  onTestFinished(server.close);
  const transport = createTransport({ host: server.host, port: server.port, socketTimeout: 200, ...client });
  const result = await transport.sendMail(mail).then(
    ({ response }) => response,
    (error: Error & { responseCode?: number; code?: string }) => error.responseCode ?? error.code ?? error.message,
  );
  return { server, result };
}

test('an ordinary conversation goes through', async () => {
  const { server, result } = await send(conversation());
  expect(result).toBe('250 2.0.0 queued as TEST1');
  expect(server.messages()[0]).toMatch(/\r\n\r\n\.dot$/);
  expect(server.departures()).toEqual([]);
});

test.each([
  ['a reply to the recipient', conversation({ recipient: { reply: '452 4.2.2 full' } }), 452],
  ['a connection reset in place of the last reply', conversation({ message: { then: 'reset' } }), 'ESOCKET'],
  ['silence after the message', conversation({ message: {} }), 'ETIMEDOUT'],
  ['bytes that are not a reply', conversation({ mail: { raw: Buffer.from('\0what?\r\n') } }), 'EENVELOPE'],
])('a client meets %s', async (_what, script, expected) => {
  const { result, server } = await send(script);
  expect(result).toBe(expected);
  expect(server.departures()).toEqual([]);
});

test('each connection can have its own script', async () => {
  const server = await startSmtpScript((n) => (n === 1 ? [{ reply: '421 4.3.2 busy', then: 'end' }] : conversation()));
  onTestFinished(server.close);
  const transport = createTransport({ host: server.host, port: server.port, ignoreTLS: true });
  await expect(transport.sendMail(mail)).rejects.toMatchObject({ responseCode: 421 });
  await transport.sendMail(mail);
  expect(server.connections().total).toBe(2);
});

test('the conversation goes on over TLS after STARTTLS', async () => {
  const script: Script = [
    ...conversation().slice(0, 1),
    { expect: /^EHLO/, reply: '250-mx.test\r\n250 STARTTLS' },
    { expect: /^STARTTLS/, reply: '220 go ahead', then: 'starttls' },
    ...conversation().slice(1),
  ];
  const { result, server } = await send(script, {
    requireTLS: true,
    tls: { ca: testAuthority, servername: 'localhost' },
  });
  expect(result).toBe('250 2.0.0 queued as TEST1');
  expect(server.departures()).toEqual([]);
});

test('a client that departs from the script is recorded and cut off', async () => {
  const { server, result } = await send([{ reply: '220 mx.test' }, { expect: /^HELO/, reply: '250 ok' }]);
  expect(result).toBe('ECONNECTION');
  expect(server.departures()).toEqual([expect.stringMatching(/^expected \/\^HELO\/, got "EHLO /)]);
});
