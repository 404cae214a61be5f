/** TLS that is missing, broken or tampered with. Required TLS is never skipped. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { startAiosmtpd } from '../support/aiosmtpd.ts';
import { certificateFiles } from '../support/certificates.ts';
import { missing, needing, pythonMissing, startDaemon } from '../support/daemons.ts';
import { conversation, type Step, startSmtpScript } from '../support/smtp-script.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { openScene, type RelayOptions } from './scene.ts';

const scene = openScene();
const sink = needing(missing('smtp-sink', 'postfix'));
const python = needing(pythonMissing('aiosmtpd', 'python3-aiosmtpd'));
const openssl = needing(missing('openssl', 'openssl'));

const trusting = { caFile: certificateFiles.ca, servername: 'localhost' };
const [greeting = {}, , ...mail] = conversation();
const announcing: Step = { expect: /^EHLO /i, reply: '250-mx.test\r\n250 STARTTLS' };

const tlsFault = (detail: string) => ({
  status: 'pending',
  counted: 0,
  attempts: [`retry, free: tls: ${detail}`],
  paused: 'tls',
});

describe('EHLO is refused and HELO is not', () => {
  test.skipIf(sink.skip)(sink.name('an email that needs no TLS is sent'), async () => {
    const relay = scene.use(await startSmtpSink(['-e']));
    expect(await scene.deliver({ port: relay.port })).toMatchObject({
      status: 'sent',
      attempts: ['sent'],
      paused: null,
    });
    expect(relay.mails()).toHaveLength(1);
    expect(
      relay
        .commands()
        .filter((line) => /^(HELO|EHLO)/.test(line))
        .map((line) => line.slice(0, 4)),
    ).toEqual(['EHLO', 'HELO']);
  });

  test.skipIf(sink.skip)(sink.name('one that needs TLS waits'), async () => {
    const relay = scene.use(await startSmtpSink(['-e']));
    expect(await scene.deliver({ port: relay.port, tls: 'starttls' })).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: [expect.stringMatching(/^retry, free: tls: TLS is required, but the server rejects EHLO: 50\d/)],
      paused: 'tls',
    });
    expect(relay.mails()).toEqual([]);
  });
});

describe('TLS is required, and STARTTLS', () => {
  test.skipIf(sink.skip)(
    sink.name('is not offered: nothing goes out in clear, and the operator is told once'),
    async () => {
      const relay = scene.use(await startSmtpSink([]));
      expect(await scene.deliver({ port: relay.port, tls: 'starttls' })).toMatchObject({
        status: 'pending',
        counted: 0,
        attempts: [expect.stringMatching(/^retry, free: tls: TLS is required but was not established: 50\d/)],
        paused: 'tls',
      });
      expect(relay.commands().filter((line) => /^(MAIL|AUTH)/.test(line))).toEqual([]);
      expect(relay.mails()).toEqual([]);
      expect(scene.logger().lines.filter((line) => line.level === 'error')).toHaveLength(1);
    },
  );

  test.each(['454 4.7.0 TLS not available', '502 5.5.1 not implemented'])('is answered with %s', async (reply) => {
    const relay = scene.use(await startSmtpScript([greeting, announcing, { expect: /^STARTTLS/i, reply }]));
    expect(await scene.deliver({ port: relay.port, tls: 'starttls' })).toMatchObject(
      tlsFault(`TLS is required but was not established: ${reply}`),
    );
    expect(relay.lines().filter((line) => /^(MAIL|AUTH)/.test(line))).toEqual([]);
  });
});

describe('a certificate that', () => {
  const selfSigned = fileURLToPath(new URL('../dispatch/tls/self-signed', import.meta.url));
  const ours = (name: string) => fileURLToPath(new URL(`../support/certificates/${name}`, import.meta.url));
  const rows: [string, string[], Partial<RelayOptions>, string][] = [
    [
      'has expired',
      ['-cert', `${ours('expired')}.pem`, '-key', `${ours('expired')}.key`],
      trusting,
      'CERT_HAS_EXPIRED',
    ],
    [
      'is for another host',
      ['-cert', `${ours('other-host')}.pem`, '-key', `${ours('other-host')}.key`],
      trusting,
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
    [
      'vouches for itself',
      ['-cert', `${selfSigned}.crt`, '-key', `${selfSigned}.key`],
      { servername: 'localhost' },
      'DEPTH_ZERO_SELF_SIGNED_CERT',
    ],
    [
      'an unknown authority signed',
      ['-cert', `${ours('localhost')}.pem`, '-key', `${ours('localhost')}.key`],
      { servername: 'localhost' },
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ],
  ];

  test.skipIf(openssl.skip).each(rows)(openssl.name('%s, shown by openssl'), async (_, options, relay, code) => {
    const server = scene.use(
      await startDaemon('openssl', (port) => ['s_server', '-accept', `127.0.0.1:${port}`, '-quiet', ...options]),
    );
    expect(await scene.deliver({ port: server.port, tls: 'implicit', ...relay })).toMatchObject(
      tlsFault(`TLS certificate: ${code}`),
    );
  });

  test.skipIf(python.skip)(python.name('has expired, shown after STARTTLS by aiosmtpd'), async () => {
    const relay = scene.use(await startAiosmtpd({ certificate: 'expired' }));
    expect(await scene.deliver({ port: relay.port, tls: 'starttls', ...trusting })).toMatchObject(
      tlsFault('TLS certificate: CERT_HAS_EXPIRED'),
    );
    expect(relay.mails()).toEqual([]);
  });

  test.skipIf(python.skip)(python.name('is valid lets the email pass, encrypted'), async () => {
    const relay = scene.use(await startAiosmtpd({ certificate: 'localhost' }));
    expect(await scene.deliver({ port: relay.port, tls: 'starttls', ...trusting })).toMatchObject({
      attempts: ['sent'],
    });
    expect(relay.mails()).toMatchObject([{ tls: true, to: ['ada-1@example.com'] }]);
  });
});

describe('a handshake', () => {
  test.skipIf(openssl.skip)(openssl.name('with a server that knows TLS 1.0 only'), async () => {
    const certificate = fileURLToPath(new URL('../support/certificates/localhost', import.meta.url));
    const options = [
      '-tls1',
      '-cipher',
      'DEFAULT@SECLEVEL=0',
      '-cert',
      `${certificate}.pem`,
      '-key',
      `${certificate}.key`,
    ];
    const server = scene.use(
      await startDaemon('openssl', (port) => ['s_server', '-accept', `127.0.0.1:${port}`, '-quiet', ...options]),
    );
    expect(await scene.deliver({ port: server.port, tls: 'implicit', ...trusting })).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: [expect.stringMatching(/^retry, free: tls: TLS/)],
      paused: 'tls',
    });
  });

  // Scaled: half of sendTimeoutSeconds, 60 s by default.
  test('that stalls', async () => {
    const relay = scene.use(
      await startSmtpScript([greeting, announcing, { expect: /^STARTTLS/i, reply: '220 2.0.0 go ahead' }]),
    );
    expect(
      await scene.deliver({ port: relay.port, tls: 'starttls', sendTimeoutSeconds: 2, ...trusting }),
    ).toMatchObject(tlsFault('TLS is required but was not established'));
  });

  test.each(['reset', 'destroy'] as const)('that ends in a connection %s', async (then) => {
    const relay = scene.use(
      await startSmtpScript([greeting, announcing, { expect: /^STARTTLS/i, reply: '220 2.0.0 go ahead', then }]),
    );
    expect(await scene.deliver({ port: relay.port, tls: 'starttls', ...trusting })).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: [expect.stringMatching(/^retry, free: (tls: TLS|unreachable: no connection: (ECONNRESET|EPIPE))/)],
    });
    expect(relay.lines().filter((line) => /^(MAIL|AUTH)/.test(line))).toEqual([]);
  });
});

test('what is slipped in after "220" in clear text is discarded', async () => {
  const relay = scene.use(
    await startSmtpScript([
      greeting,
      announcing,
      {
        expect: /^STARTTLS/i,
        raw: '220 2.0.0 go ahead\r\n250-evil.test\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1\r\n235 2.7.0 ok\r\n',
        then: 'starttls',
      },
      { expect: /^EHLO /i, reply: '250-mx.test\r\n250 8BITMIME' },
      ...mail,
    ]),
  );
  expect(await scene.deliver({ port: relay.port, tls: 'starttls', ...trusting })).toMatchObject({
    status: 'sent',
    attempts: ['sent'],
    paused: null,
  });
  expect(relay.messages()).toHaveLength(1);
  expect(relay.departures()).toEqual([]);
});
