/** The name of the relay cannot be resolved, or no packet reaches it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { startNameServer } from '../dispatch/name-server.ts';
import { freePort, missing, needing, pythonMissing, startDaemon } from '../support/daemons.ts';
import { programs } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { openScene } from './scene.ts';

const scene = openScene();
const startProcess = programs(afterEach);
const dnsmasq = needing(
  process.getuid?.() === 0 ? null : 'needs root',
  missing('dnsmasq', 'dnsmasq-base'),
  missing('unshare', 'util-linux'),
);

/** A name server on port 53, which is the only one that a resolver asks, on an address of its own. */
async function startDnsmasq(): Promise<string> {
  const address = `127.53.${process.pid % 250}.${1 + (Date.now() % 250)}`;
  const upstream = scene.use(
    await startNameServer((name) => (name.startsWith('silent') ? 'ignore' : 'refuse')).then((server) => ({
      ...server,
      close: () => server.close(),
    })),
  );
  const forward = upstream.address.replace(':', '#');
  const options = [
    '--keep-in-foreground',
    '--log-facility=-',
    '--conf-file=/dev/null',
    '--no-resolv',
    '--no-hosts',
    '--bind-interfaces',
    '--user=root',
    '--pid-file',
    `--listen-address=${address}`,
    '--local=/missing.test/',
    `--server=/broken.test/${forward}`,
    `--server=/silent.test/${forward}`,
  ];
  scene.use(await startDaemon('dnsmasq', () => options, { ready: /started, version/ }));
  return address;
}

describe('a relay whose name', () => {
  // Scaled: the look-up may take a quarter of sendTimeoutSeconds, 10 s by default.
  test.skipIf(dnsmasq.skip).each([
    ['does not exist', 'missing.test', /could not be resolved \(ENOTFOUND\)/],
    // The last word is the system's, which turns SERVFAIL into one of these.
    ['cannot be looked up', 'broken.test', /could not be resolved \((ESERVFAIL|ENOTFOUND|EAI_AGAIN)\)/],
    ['gets no answer', 'silent.test', /could not be resolved \(ETIMEOUT\)/],
  ])(dnsmasq.name('%s'), async (_, host, detail) => {
    const nameserver = await startDnsmasq();
    const folder = mkdtempSync(join(tmpdir(), 'herald-dns-'));
    const file = join(folder, 'resolv.conf');
    writeFileSync(file, `nameserver ${nameserver}\noptions timeout:1 attempts:1\n`);
    await scene.enqueue();
    // A mount namespace of its own: neither Node's resolver nor the system's asks anybody else.
    const worker = startProcess(new URL('../delivery/worker-program.ts', import.meta.url), {
      through: ['unshare', '-m', 'sh', '-c', `mount --bind ${file} /etc/resolv.conf && exec "$@"`, 'sh'],
      env: {
        HERALD_TEST_WORKER: JSON.stringify({
          url: scene.database().url,
          smtpPort: 25,
          smtp: { host, allowPlaintext: true, sendTimeoutSeconds: 4 },
        }),
      },
    });
    await worker.line(/ready/, { timeoutMs: 20_000 });
    await until(async () => (await scene.stories())[0]?.paused === 'dns', { timeoutMs: 20_000 });
    await worker.kill('SIGTERM');
    rmSync(folder, { recursive: true });
    const [story] = await scene.stories();
    expect(story).toMatchObject({ status: 'pending', counted: 0, paused: 'dns' });
    expect(story?.attempts[0]).toMatch(detail);
  });
});

const python = needing(pythonMissing('socket', 'python3'));

// Scaled: the connection may take half of sendTimeoutSeconds, 60 s by default. The hole is a listener whose queue is full:
// Linux then drops every SYN, as a firewall does.
test.skipIf(python.skip)(python.name('a relay that no packet reaches'), async () => {
  const fill = [
    'import socket, sys, time',
    "at = ('127.0.0.1', int(sys.argv[1]))",
    'listener = socket.socket(); listener.bind(at); listener.listen(0)',
    'waiting = [socket.socket() for _ in range(6)]',
    'for each in waiting: each.setblocking(False); each.connect_ex(at)',
    "time.sleep(0.2); print('full', flush=True); time.sleep(300)",
  ].join('\n');
  const hole = scene.use(
    await startDaemon('/usr/bin/python3', (port) => ['-c', fill, String(port)], {
      ready: /full/,
      port: await freePort(),
    }),
  );
  expect(await scene.deliver({ port: hole.port, sendTimeoutSeconds: 2 })).toMatchObject({
    status: 'pending',
    counted: 0,
    attempts: ['retry, free: connect_timeout: no connection in time'],
    paused: 'connect_timeout',
  });
});
