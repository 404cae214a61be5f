/** `pg-herald console` as a process: where it listens, whom it asks, how it ends. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useDatabase } from '../support/use-database.ts';
import { programs } from '../support/processes.ts';
import { main, runCli } from './support.ts';

const start = programs(afterAll);
const database = useDatabase();
let env: Record<string, string>;
beforeAll(async () => {
  env = { DATABASE_URL: database.url, USER: 'grace', NO_COLOR: '1' };
});

const ask = (url: string) => fetch(url, { headers: { accept: 'text/html' }, redirect: 'manual' });

test('it prints where it is, answers there as who started it, and stops on SIGTERM while a page is open', async () => {
  const console = start(main, { args: ['console', '--port', '0'], env });
  const url = await console.line(/^http:\/\/127\.0\.0\.1:\d+\/$/, { timeoutMs: 20_000 });
  const page = await ask(url);
  expect(page.status).toBe(200);
  expect(await page.text()).toMatch(/<h1>Overview<\/h1>/);
  expect(await (await ask(`${url}messages`)).text()).toContain('>grace<');
  const live = await ask(`${url}live`);
  expect(live.headers.get('content-type')).toContain('text/event-stream');
  expect(await console.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  await live.body?.cancel().catch(() => undefined);
  expect(console.stderr()).toBe('the console is listening, open to everyone on this machine; Ctrl-C stops it\n');
  await expect(ask(url)).rejects.toThrow();
});

test('it refuses to listen where other machines can reach it, unless there is a token', async () => {
  const beyond = ['console', '--host', '0.0.0.0', '--port', '0'];
  expect(await runCli(beyond, env)).toEqual({
    code: 2,
    out: '',
    err: expect.stringMatching(/^pg-herald: host: 0\.0\.0\.0 is reachable from other machines: give a token [^\n]*\n$/),
  });
  const folder = await mkdtemp(join(tmpdir(), 'herald-console-'));
  await writeFile(join(folder, 'token'), 'correct horse battery staple, twice\n');
  const console = start(main, { args: [...beyond, '--json', '--token-file', join(folder, 'token')], env });
  const { url } = JSON.parse(await console.line(/^\{"url":/, { timeoutMs: 20_000 })) as { url: string };
  const door = await ask(url.replace('0.0.0.0', '127.0.0.1'));
  expect([door.status, door.headers.get('location')]).toEqual([303, expect.stringMatching(/login/)]);
  expect(await console.kill('SIGINT')).toEqual({ code: 0, signal: null });
  expect(console.stdout() + console.stderr()).not.toContain('battery');
  await rm(folder, { recursive: true });
});

test.each([
  ['a token file that is not there', ['--token-file', '/nope'], /--token-file: cannot read \/nope/],
  ['two tokens', ['--token', 'a', '--token-file', 'b'], /give --token or --token-file, not both/],
  ['a token that can be guessed', ['--token', 'x'], /token/],
  ['a port that is none', ['--port', 'x'], /--port: invalid port "x": expected 0-65535/],
])('%s is one clear line', async (_, args, line) => {
  const { code, out, err } = await runCli(['console', '--port', '0', ...args], env);
  expect({ code, out, lines: err.trim().split('\n').length }).toEqual({ code: 2, out: '', lines: 1 });
  expect(err).toMatch(line);
});
