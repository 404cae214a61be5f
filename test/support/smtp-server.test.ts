import { createTransport } from 'nodemailer';
import { expect, onTestFinished, test } from 'vitest';
import { testAuthority } from './certificates.ts';
import { greylist, type SmtpServerOptions, startSmtpServer } from './smtp-server.ts';

const mail = { from: 'app@example.org', to: 'ann@example.org', subject: 'Grüße', text: 'Hello\n.\nbye' };

async function serverAndClient(options: SmtpServerOptions, client: object = {}) {
  const server = await startSmtpServer(options);
  const { host, port } = server;
  const tls = { ca: testAuthority, servername: 'localhost' };
  const transport = createTransport({ host, port, tls, ignoreTLS: !options.tls || options.tls === 'none', ...client });
  onTestFinished(async () => {
    transport.close();
    await server.close();
  });
  return { server, transport };
}

test('keeps envelope, bytes and the parsed email', async () => {
  const { server, transport } = await serverAndClient({});
  await transport.sendMail({ ...mail, bcc: 'bob@example.org' });
  const [received] = await server.waitFor(1);
  expect(received).toMatchObject({
    from: 'app@example.org',
    to: ['ann@example.org', 'bob@example.org'],
    secure: false,
  });
  expect(received?.raw.toString()).toContain('To: ann@example.org\r\n');
  expect(await received?.parsed()).toMatchObject({ subject: 'Grüße', text: 'Hello\n.\nbye\n' });
});

test('requires TLS and log-in when told', async () => {
  const auth = { user: 'app', password: 'right' };
  const { server, transport } = await serverAndClient(
    { tls: 'required', auth },
    { auth: { user: 'app', pass: 'right' }, requireTLS: true },
  );
  await transport.sendMail(mail);
  expect(server.received()[0]).toMatchObject({ secure: true, user: 'app' });

  const { host, port } = server;
  const wrong = createTransport({ host, port, tls: { ca: testAuthority }, auth: { user: 'app', pass: 'wrong' } });
  await expect(wrong.sendMail(mail)).rejects.toMatchObject({ responseCode: 535 });
  const plain = createTransport({ host, port, ignoreTLS: true, auth: { user: 'app', pass: 'right' } });
  await expect(plain.sendMail(mail)).rejects.toMatchObject({ responseCode: 530 });
});

test.each([
  ['expired', 'implicit', /expired/],
  ['other-host', 'implicit', /altnames/],
  ['expired', 'starttls', /expired/],
] as const)('shows a certificate that a client refuses: %s, %s', async (certificate, tls, complaint) => {
  const { transport } = await serverAndClient({ tls, certificate }, { secure: tls === 'implicit' });
  await expect(transport.sendMail(mail)).rejects.toThrow(complaint);
});

test('judges recipients and messages', async () => {
  const { server, transport } = await serverAndClient({
    onRecipient: greylist(1),
    onMessage: ({ raw }) => (raw.includes('forbidden') ? { code: 554, text: '5.7.1 no' } : undefined),
  });
  await expect(transport.sendMail(mail)).rejects.toMatchObject({ responseCode: 451 });
  await transport.sendMail(mail);
  await expect(transport.sendMail({ ...mail, text: 'forbidden' })).rejects.toMatchObject({
    responseCode: 554,
    response: '554 5.7.1 no',
  });
  expect(server.count()).toBe(1);
});

test('keeps the newest only, but counts all', async () => {
  const accepted: string[] = [];
  const { server, transport } = await serverAndClient(
    { keep: 2, onAccepted: ({ to }) => accepted.push(...to) },
    { pool: true, maxConnections: 1 },
  );
  await Promise.all([1, 2, 3].map((n) => transport.sendMail({ ...mail, to: `r${n}@example.org` })));
  await server.waitFor(3);
  expect([server.count(), server.received().length, accepted.length]).toEqual([3, 2, 3]);
  expect(server.connections()).toEqual({ open: 1, most: 1, total: 1 });
});

test('waiting in vain says how many came', async () => {
  const { server } = await serverAndClient({});
  await expect(server.waitFor(2, { timeoutMs: 30 })).rejects.toThrow('waited 30 ms for 2 emails; last: 0 received');
});
