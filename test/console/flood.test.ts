/** A console in a process of its own, which strangers send hundreds of megabytes. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { main } from '../cli/support.ts';
import { programs } from '../support/processes.ts';
import { useDatabase } from '../support/use-database.ts';
import { token } from './support.ts';

const database = useDatabase();
const start = programs(afterAll);

/** What is sent in all, in bytes, and how much more memory the console may take for it. */
const floodBytes = 500_000_000;
const maxGrowth = 100_000_000;

const form = 'Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin';
const chunked = `${form}\r\nTransfer-Encoding: chunked`;
const announced = `${form}\r\nContent-Length: 50000000`;
const files = 'Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked';
const heads = [
  `POST /login HTTP/1.1\r\n${chunked}`,
  `POST /login HTTP/1.1\r\n${announced}`,
  `POST /login HTTP/1.1\r\n${files}`,
  `POST /logout HTTP/1.1\r\n${chunked}`,
  `POST /messages/all/retry HTTP/1.1\r\n${chunked}`,
  `POST /messages/all/retry HTTP/1.1\r\n${announced}`,
  `PUT /assets/console.css HTTP/1.1\r\n${chunked}`,
  `GET /login HTTP/1.1\r\n${chunked}`,
  `POST /login HTTP/1.1\r\n${chunked}\r\nAuthorization: Bearer guess`,
  `POST /nothing/here HTTP/1.1\r\n${chunked}`,
];
const piece = Buffer.concat([Buffer.from('f4240\r\n'), Buffer.alloc(1_000_000, 'a'), Buffer.from('\r\n')]);

/** Sends one request without end until the server closes the connection, or 50 MB. Returns what was sent. */
function send(port: number, head: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined).on('close', () => resolve(socket.bytesWritten));
    socket.resume();
    const write = () => {
      while (!socket.destroyed && socket.writable && socket.bytesWritten < 50_000_000)
        if (!socket.write(piece)) return void socket.once('drain', write);
      socket.destroy();
    };
    socket.write(`${head}\r\nHost: 127.0.0.1:${port}\r\n\r\n`, write);
  });
}

/** Largest resident memory so far, in bytes. */
async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

test.skipIf(process.platform !== 'linux')(
  '500 MB from strangers, in every form that a body may have, leave the memory of a console flat',
  { timeout: 180_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'herald-flood-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, token, { mode: 0o600 });
    const program = start(main, {
      args: ['console', '--port', '0', '--token-file', tokenFile],
      env: { DATABASE_URL: database.url },
    });
    const url = /http:\S+/.exec(await program.line(/http:/))?.[0] ?? '';
    const port = Number(new URL(url).port);
    // What it needs for its first pages is not growth.
    for (let n = 0; n < 20; n += 1) await fetch(`${url}login`);
    const before = await peakOf(program.pid);
    let sent = 0;
    for (let n = 0; sent < floodBytes && n < 3000; n += heads.length)
      sent += (await Promise.all(heads.map((head) => send(port, head)))).reduce((sum, one) => sum + one, 0);
    expect(sent).toBeGreaterThanOrEqual(floodBytes);
    expect((await peakOf(program.pid)) - before).toBeLessThan(maxGrowth);
    expect((await fetch(`${url}login`)).status).toBe(200);
    await program.kill('SIGTERM');
  },
);
