/** Replies that only look like acceptance, logins that wait for the first one, and connections that are full. */
import { afterEach, expect, test } from 'vitest';
import { type SmtpOptions, smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { conversation, startSmtpScript } from '../../support/smtp-script.ts';
import { startSmtpServer } from '../../support/smtp-server.ts';
import { context, delivery } from '../support.ts';

const closing: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function senderTo(port: number, options: Partial<SmtpOptions> = {}) {
  const from = { address: 'noreply@acme.example' };
  const dispatcher = smtp({ host: '127.0.0.1', port, tls: 'none', from, ...options });
  await dispatcher.start?.({ method: 'smtp', pool: null as never, logger: context().logger });
  closing.push(() => dispatcher.close?.());
  return () => dispatcher.dispatch(delivery({ method: 'smtp' }), context());
}

test.each(['2500 ok', '25 ok', '250-ok\r\n550 no', '250-ok\r\n251 ok'])(
  'the reply %j to the end of the message is not acceptance',
  async (reply) => {
    const relay = await startSmtpScript(conversation({ message: { reply } }));
    closing.push(() => relay.close());
    expect(await (await senderTo(relay.port))()).toMatchObject({ outcome: 'unknown' });
  },
);

test('a wrong password is tried by one connection, and the others take its result', async () => {
  let logins = 0;
  const relay = await startSmtpServer({ auth: { user: 'u', password: 'right' }, onLogin: () => void (logins += 1) });
  closing.push(() => relay.close());
  const send = await senderTo(relay.port, { auth: { user: 'u', password: 'wrong' } });
  const results = await Promise.all(Array.from({ length: 10 }, send));
  for (const result of results) expect(result).toMatchObject({ outcome: 'retry', reason: 'authentication' });
  expect(logins).toBe(1);
});

test('a connection whose server takes no more messages is replaced within the attempt', async () => {
  const relay = await startSmtpScript(() => [
    ...conversation(),
    { expect: /^MAIL /, reply: '452 4.3.2 too many messages in this connection' },
  ]);
  closing.push(() => relay.close());
  const send = await senderTo(relay.port, { maxConnections: 1 });
  for (let i = 0; i < 3; i++) expect(await send()).toMatchObject({ outcome: 'sent' });
  expect(relay.messages()).toHaveLength(3);
});

test('a server that takes no AUTH never sees the password, and its reply is not stored', async () => {
  const relay = await startSmtpScript(conversation());
  closing.push(() => relay.close());
  const send = await senderTo(relay.port, { auth: { user: 'u', password: 'hunter2-secret' } });
  const result = await send();
  expect(result).toMatchObject({ outcome: 'retry', reason: 'authentication', pauseMethod: true });
  expect(relay.lines().filter((line) => /^(AUTH|MAIL)/.test(line))).toEqual([]);
});

test.each(
  (['mail', 'recipient', 'data'] as const).flatMap((phase) =>
    ['450 4.2.0 gre', '550 5.1.1 no', '421 4.3.0 by', '450-4.2.0 one\r\n450-t'].map((raw) => ({ phase, raw })),
  ),
)(
  'a reply to $phase that breaks off within "$raw" is a lost connection: nothing pauses for one message',
  async ({ phase, raw }) => {
    const relay = await startSmtpScript(conversation({ [phase]: { raw, then: 'end' } }));
    closing.push(() => relay.close());
    const result = await (await senderTo(relay.port))();
    expect(result).toEqual({
      outcome: 'retry',
      reason: 'connection_lost',
      detail: 'the connection was lost before the message was sent',
    });
  },
);
