/** A Redis of our own for BullMQ, if the program is there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../test/support/wait.ts';

export interface Redis {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/** Null where no redis-server is installed. Writes an append-only file once a second, as its documentation advises for queues. */
export async function startRedis(): Promise<Redis | null> {
  const folder = mkdtempSync(join(tmpdir(), 'herald-redis-'));
  const port = await freePort();
  const settings = [
    '--appendonly',
    'yes',
    '--appendfsync',
    'everysec',
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
  ];
  const child = spawn('redis-server', ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, ...settings], {
    stdio: 'ignore',
  });
  const started = await Promise.race([once(child, 'spawn').then(() => true), once(child, 'error').then(() => false)]);
  if (!started) {
    rmSync(folder, { recursive: true, force: true });
    return null;
  }
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  await until(() => answers(port), { what: 'redis-server' });
  return {
    port,
    async stop() {
      process.off('exit', killNow);
      if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A port on which nothing listens at present. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
