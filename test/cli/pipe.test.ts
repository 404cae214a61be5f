/** What a program reads: JSON where a person sees a table, and no complaint when it has seen enough. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { beforeAll, describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { startProgram } from '../support/processes.ts';
import { until } from '../support/wait.ts';
import { main, runCli, runInTerminal } from './support.ts';

test('a reader that leaves early ends the command without a word', async () => {
  const pipe = `"$0" "$1" help messages list | true; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', pipe, process.execPath, main]);
  expect({ stdout, stderr }).toEqual({ stdout: '0\n', stderr: '' });
});

describe('a command that prints a table', () => {
  const database = useDatabase({ templates: { greeting: greetingFile } });
  let env: Record<string, string>;
  let id: string;
  const send = ['send', 'greeting', '--to', 'user-7=ada@example.com', '--label', 'who=Ada', '--dedupe-key', 'once'];

  beforeAll(async () => {
    env = { DATABASE_URL: database.url };
    [{ id }] = JSON.parse((await runCli(send, env)).out) as [{ id: string }];
  });

  test.each<[string, () => string[], RegExp]>([
    ['status', () => ['status'], /^method +pending/],
    ['send', () => send, /^message +recipient/],
    ['messages list', () => ['messages', 'list'], /^message +created/],
    ['messages show', () => ['messages', 'show', id], /^id +[0-9a-f-]{36}\n/],
    ['preferences list', () => ['preferences', 'list', 'user-7'], /^group +template/],
    ['endpoints list', () => ['endpoints', 'list'], /^no endpoints/],
  ])('%s prints JSON in a pipe, and the table where --table asks for it', async (_, words, table) => {
    const [piped, asked] = await Promise.all([runCli(words(), env), runCli([...words(), '--table'], env)]);
    expect(() => JSON.parse(piped.out)).not.toThrow();
    expect(asked.out).toMatch(table);
  });

  test('is one of these; everything else is prose in a pipe, too', async () => {
    const found: string[] = [];
    const visit = (at: Command, path: readonly string[]): void => {
      if (at.options.some((option) => option.long === '--table' && !option.hidden)) found.push(path.join(' '));
      for (const each of at.commands) visit(each, [...path, each.name()]);
    };
    visit(await createProgram(), []);
    expect(found.sort()).toEqual([
      'audit',
      'endpoints list',
      'endpoints show',
      'hours list',
      'inbox',
      'messages list',
      'messages show',
      'messages tail',
      'methods list',
      'preferences list',
      'retention list',
      'retention set',
      'send',
      'status',
      'suppressions list',
      'templates list',
      'templates show',
      'templates sync',
      'tenants list',
    ]);
    expect((await runCli(['why', id], env)).out).toMatch(/^pending/);
  });

  test('and every other takes --table, too', async () => {
    expect(await runCli(['doctor', '--table'], env)).toMatchObject({
      out: expect.stringMatching(/^✓ database +Postgre/),
    });
    expect(await runCli(['migrate', '--table'], env)).toMatchObject({
      code: 0,
      out: expect.stringContaining('nothing'),
    });
  });

  test('prints JSON that people can read, too: a line per field', async () => {
    expect((await runCli(['status'], env)).out).toMatch(/\n {6}"method": "smtp",\n {6}"enabled": true,\n/);
  });

  test('prints the table in a terminal', async () => {
    const { shown } = await runInTerminal(['methods', 'list'], { env: { ...env, NO_COLOR: '1' } });
    expect(shown).toMatch(/^method +in use\n/);
  });

  test('takes --json or --table, not both', async () => {
    expect(await runCli(['status', '--json', '--table'], env)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining("option '--table' cannot be used with option '--json'"),
    });
  });

  test('prints changes as they come, an object per line', async () => {
    const tail = startProgram(main, { args: ['messages', 'tail'], env: { NO_COLOR: '1', ...env } });
    const lines = () =>
      tail
        .stdout()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { id: string; status: string });
    // The first look only learns how things are; what is enqueued after it is news.
    await until(
      async () => {
        await database.pool.query(
          `SELECT herald.enqueue('greeting', '{"id": "x", "email": "x@example.com"}', labels => '{"who": "x"}')`,
        );
        return lines().length > 0;
      },
      { intervalMs: 300, timeoutMs: 20_000 },
    );
    await database.pool.query('SELECT herald.cancel(message_ids => ARRAY[$1::uuid])', [id]);
    await until(() => Promise.resolve(lines().some((line) => line.id === id && line.status === 'cancelled')), {
      timeoutMs: 10_000,
    });
    expect(await tail.kill('SIGINT')).toEqual({ code: 0, signal: null });
  });

  test('says what is wrong with templates in words, too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'herald-pipe-'));
    await writeFile(join(folder, 'broken.md'), '---\ntitel: x\n---\nbody\n');
    const { code, out, err } = await runCli(['templates', 'sync', folder], env);
    expect({ code, issues: (JSON.parse(out) as { issues: object[] }).issues.length > 0 }).toEqual({
      code: 1,
      issues: true,
    });
    expect(err).toMatch(/broken\.md:2:\d+: error: .*titel[\s\S]*\n\d+ errors; nothing was changed\n$/);
    // A check never changes anything: there is nothing to calm anybody about.
    const checked = await runCli(['templates', 'check', folder], env);
    expect({ code: checked.code, last: checked.err.trimEnd().split('\n').at(-1) }).toEqual({
      code: 1,
      last: expect.stringMatching(/^\d+ errors$/),
    });
    await rm(folder, { recursive: true });
  });
});
