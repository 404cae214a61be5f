/** What stands between us and the relay: signatures, logins, files that change, proxies. */
import { execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SmtpOptions, smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { ConfigurationError } from '../../../src/errors.ts';
import { greetingFile, putTemplates, testWorker } from '../../support/application.ts';
import { certificateFiles } from '../../support/certificates.ts';
import { createTestDatabase } from '../../support/database.ts';
import { type SmtpServerOptions, startSmtpServer } from '../../support/smtp-server.ts';
import { until } from '../../support/wait.ts';
import { closedPort, context, delivery } from '../support.ts';

const closing: (() => Promise<unknown> | undefined)[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'herald-smtp-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true });
});

const from = { name: 'Acme', address: 'noreply@acme.example' };

async function relayWith(server: SmtpServerOptions = {}) {
  const relay = await startSmtpServer(server);
  closing.push(() => relay.close());
  return relay;
}

async function setUp(server: SmtpServerOptions = {}, options: Partial<SmtpOptions> = {}) {
  const relay = await relayWith(server);
  const dispatcher = smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from, ...options });
  closing.push(() => dispatcher.close?.());
  // Some tests are about what it refuses to start with.
  await dispatcher.start?.({ method: 'smtp', pool: null as never, logger: context().logger }).catch(() => undefined);
  return { relay, dispatcher, send: () => dispatcher.dispatch(delivery({ method: 'smtp' }), context()) };
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('DKIM', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'der' },
  });
  const verifier = (() => {
    try {
      execFileSync('/usr/bin/python3', ['-c', 'import dkim'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  })();
  const record = `v=DKIM1; k=rsa; p=${publicKey.toString('base64')}`;
  const verify = (mail: Buffer) =>
    execFileSync(
      '/usr/bin/python3',
      [
        '-c',
        'import dkim, sys\nprint(dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda name, **_: sys.argv[1].encode()))',
        record,
      ],
      { input: mail, encoding: 'utf8' },
    ).trim();

  test.skipIf(!verifier)('signatures are verified by an independent verifier, and a changed body is not', async () => {
    const { relay, dispatcher } = await setUp(
      {},
      { dkim: { domain: 'acme.example', selector: 'h1', keyFile: file('key', privateKey) } },
    );
    const mail = delivery({
      method: 'smtp',
      groupKey: 'g',
      unsubscribeUrl: `https://acme.example/u/${'x'.repeat(90)}`,
    });
    expect(await dispatcher.dispatch(mail, context())).toMatchObject({ outcome: 'sent' });
    const raw = Buffer.from(relay.received()[0]?.raw ?? '');
    expect(raw.toString()).toMatch(/^DKIM-Signature: v=1;[^]*d=acme\.example;[^]*s=h1;/m);
    expect(verify(raw)).toBe('True');
    const signed = /[ ;]h=([^;]+);/
      .exec(raw.toString().replace(/\r\n\s+/g, ''))?.[1]
      ?.toLowerCase()
      .split(':');
    for (const field of [
      'from',
      'list-unsubscribe',
      'list-unsubscribe-post',
      'feedback-id',
      'auto-submitted',
      'in-reply-to',
    ])
      expect(signed).toContain(field);
    expect(verify(Buffer.from(raw.toString('latin1').replace('dev-box', 'dev-bax'), 'latin1'))).toBe('False');
  });

  test.each([
    ['is missing', null],
    ['is not a key', 'hello'],
    [
      'is too short',
      generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
  ])('a key that %s is refused at the start, and nothing goes out unsigned', async (_, text) => {
    const keyFile = text === null ? join(folder, 'none') : file('key', text);
    const { relay, dispatcher, send } = await setUp({}, { dkim: { domain: 'acme.example', selector: 'h1', keyFile } });
    await expect(dispatcher.start?.({ method: 'smtp', pool: null as never, logger: context().logger })).rejects.toThrow(
      /smtp\.dkim\.keyFile/,
    );
    expect(await send()).toMatchObject({ outcome: 'retry', reason: 'misconfigured', pauseMethod: true });
    expect(relay.count()).toBe(0);
  });

  test('a key that breaks later stops the method, and one that is corrected resumes it', async () => {
    const keyFile = file('key', privateKey);
    const { relay, send } = await setUp({}, { dkim: { domain: 'acme.example', selector: 'h1', keyFile } });
    expect(await send()).toMatchObject({ outcome: 'sent' });
    writeFileSync(keyFile, 'broken');
    await until(async () => (await send()).outcome === 'retry', { timeoutMs: 5000 });
    const before = relay.count();
    expect(await send()).toMatchObject({ outcome: 'retry', reason: 'misconfigured', pauseMethod: true });
    expect(relay.count()).toBe(before);
    writeFileSync(keyFile, privateKey);
    await until(async () => (await send()).outcome === 'sent', { timeoutMs: 5000 });
    for (const mail of relay.received()) expect(String(mail.raw)).toContain('DKIM-Signature:');
  });
});

describe('a login', () => {
  test('by CRAM-MD5 never shows the password', async () => {
    const auth = { user: 'acme', password: 'correct horse', methods: ['CRAM-MD5'] };
    const { send } = await setUp({ auth }, { auth: { user: 'acme', password: 'correct horse', method: 'CRAM-MD5' } });
    expect(await send()).toMatchObject({ outcome: 'sent' });
  });

  test('with a wrong password is tried a few times, not once per message; the method resumes when the file is corrected', async () => {
    let logins = 0;
    const relay = await relayWith({ auth: { user: 'acme', password: 'right' }, onLogin: () => void logins++ });
    const passwordFile = file('password', 'wrong\n');
    const database = await createTestDatabase();
    closing.push(() => database.close());
    await putTemplates(database.pool, { greeting: greetingFile });
    await database.pool.query(
      `SELECT herald.enqueue('greeting', (SELECT jsonb_agg(jsonb_build_object('id', i, 'email', 'u' || i || '@example.com')) FROM generate_series(1, 20) i), '{"who": "x"}')`,
    );
    const worker = testWorker(database.url, {
      dispatchers: {
        smtp: smtp({
          host: '127.0.0.1',
          port: relay.port,
          tls: 'none',
          from,
          maxConnections: 2,
          auth: { user: 'acme', passwordFile },
        }),
      },
    });
    closing.push(() => worker.stop());
    await worker.start();
    const paused = async () =>
      (await database.pool.query(`SELECT pause_reason AS reason FROM herald.method WHERE pause_kind = 'fault'`)).rows[0]
        ?.reason;
    await until(async () => (await paused()) === 'authentication', { timeoutMs: 10_000 });
    await until(
      async () =>
        (await database.pool.query(`SELECT FROM herald.message WHERE status = 'pending' AND counted = 0`)).rowCount ===
        20,
    );
    expect(logins).toBeLessThanOrEqual(6);
    writeFileSync(passwordFile, 'right\n');
    // A refusal that comes in late puts the probe off again; the operator would simply wait.
    await until(
      async () => {
        await database.pool.query(
          `UPDATE herald.method SET probe_at = now() WHERE pause_kind = 'fault' AND probe_at > now() + interval '2 seconds'`,
        );
        return relay.count() >= 14;
      },
      { timeoutMs: 20_000, intervalMs: 500 },
    );
    expect(await paused()).toBeUndefined();
    await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
    await database.pool.query('SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))');
    await relay.waitFor(20, { timeoutMs: 20_000 });
  }, 60_000);
});

describe('TLS', () => {
  test('refuses a server that is older than asked for', async () => {
    const options = {
      host: 'localhost',
      tls: 'starttls',
      caFile: certificateFiles.ca,
      minTlsVersion: 'TLSv1.3',
    } as const;
    const { send } = await setUp({ tls: 'starttls' }, options);
    expect(await send()).toMatchObject({ outcome: 'sent' });
  });

  test.each([
    [{ certFile: '/nope' }, /certFile.*together/],
    [{ proxy: 'ftp://proxy' }, /smtp\.proxy: is not the URL of a proxy/],
    [{ dkim: { domain: 'a b', selector: 's', keyFile: '/k' } }, /smtp\.dkim\.domain: is not a domain/],
  ])('and what goes with it is checked before anything is sent: %o', (options, message) => {
    expect(() => smtp({ host: 'localhost', from, ...options })).toThrow(ConfigurationError);
    expect(() => smtp({ host: 'localhost', from, ...options })).toThrow(message);
  });
});

describe('a proxy', () => {
  /** An HTTP proxy that keeps what it was asked to connect to. */
  async function startProxy(): Promise<{ url: string; targets: string[]; server: Server }> {
    const targets: string[] = [];
    const server = createServer();
    server.on('connect', (request, socket, head) => {
      targets.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
      const [host = '', port = ''] = (request.url ?? '').split(':');
      const onward = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        onward.write(head);
        onward.pipe(socket).pipe(onward);
      });
      for (const end of [socket, onward]) end.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(async () => {
      server.close();
      server.closeAllConnections();
    });
    return { url: `http://herald:secret@127.0.0.1:${(server.address() as AddressInfo).port}`, targets, server };
  }

  test('carries the connection, with its own login', async () => {
    const proxy = await startProxy();
    const { relay, send } = await setUp({}, { proxy: proxy.url });
    expect(await send()).toMatchObject({ outcome: 'sent' });
    expect(proxy.targets).toEqual([`127.0.0.1:${relay.port} Basic ${Buffer.from('herald:secret').toString('base64')}`]);
  });

  test('that is down stops the method, and its password is repeated nowhere', async () => {
    const proxy = await startProxy();
    proxy.server.close();
    const { send } = await setUp({}, { proxy: proxy.url });
    const result = await send();
    expect(result).toMatchObject({ outcome: 'retry', pauseMethod: true });
    expect(JSON.stringify(result)).not.toContain('secret');
  });
});

describe('a SOCKS proxy', () => {
  const program = '/usr/bin/microsocks';

  async function startProxy(): Promise<{ port: number; log: () => string; stop: () => Promise<void> }> {
    const port = await closedPort();
    const child = spawn(program, ['-i', '127.0.0.1', '-p', String(port), '-u', 'herald', '-P', 'secret']);
    let log = '';
    child.stderr.on('data', (text) => (log += text));
    const stop = async () => {
      if (child.exitCode === null && child.kill()) await once(child, 'exit');
    };
    closing.push(stop);
    await until(() => reachable(port), { what: 'microsocks' });
    return { port, log: () => log, stop };
  }

  const reachable = (port: number) =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });

  test.skipIf(!existsSync(program))(
    'carries the connection, by name and with its own login; without it nothing goes',
    async () => {
      const proxy = await startProxy();
      const url = (login: string) => `socks5://${login}@127.0.0.1:${proxy.port}`;
      const { relay, send } = await setUp({}, { host: 'localhost', proxy: url('herald:secret') });
      expect(await send()).toMatchObject({ outcome: 'sent' });
      await until(() => proxy.log().includes(`connected to localhost:${relay.port}`));
      const stranger = await setUp({}, { proxy: url('herald:guess') });
      const refused = await stranger.send();
      expect(refused).toMatchObject({ outcome: 'retry', pauseMethod: true });
      expect(stranger.relay.connections().total).toBe(0);
      await proxy.stop();
      const down = await stranger.send();
      expect(down).toMatchObject({ outcome: 'retry', pauseMethod: true });
      expect(JSON.stringify([refused, down])).not.toMatch(/secret|guess/);
    },
  );
});
