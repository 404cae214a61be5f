import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAlive, programs, startProgram } from './processes.ts';
import { until } from './wait.ts';

let folder: string;
let talker: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'herald-test-'));
  talker = join(folder, 'talker.ts');
  await writeFile(
    talker,
    `const greeting: string = process.env['GREETING'] ?? 'none';
     console.log('ready ' + greeting + ' ' + process.argv[2]);
     if (process.argv[2] === 'stay') setInterval(() => undefined, 1000);
     else console.error('bad end'), process.exitCode = 3;`,
  );
});
afterAll(() => rm(folder, { recursive: true }));
const start = programs(afterAll);

test('runs TypeScript with arguments and environment, waits for a line, and kills', async () => {
  const program = start(talker, { args: ['stay'], env: { GREETING: 'hello' } });
  expect(await program.line(/^ready/)).toBe('ready hello stay');
  expect(program.running()).toBe(true);
  expect(await program.kill()).toEqual({ code: null, signal: 'SIGKILL' });
  expect(program.running()).toBe(false);
});

test('tells exit code and output of a program that ended', async () => {
  const program = start(talker, { args: ['go'] });
  expect(await program.exited).toEqual({ code: 3, signal: null });
  expect([program.stdout(), program.stderr()]).toEqual(['ready none go\n', 'bad end\n']);
});

test('waiting for a line that never comes ends with the program', async () => {
  await expect(start(talker, { args: ['go'] }).line(/^never/)).rejects.toThrow(
    /ended without a line that matches .*: bad end/,
  );
});

test('a program left running is killed and makes the hook fail', async () => {
  const checks: (() => Promise<void>)[] = [];
  const program = programs((check) => checks.push(check))(talker, { args: ['stay'] });
  await program.line(/^ready/);
  await expect(checks[0]?.()).rejects.toThrow(`left running: ${talker}`);
  expect(program.running()).toBe(false);
});

test('a program dies with the process that started it', async () => {
  const parent = join(folder, 'parent.ts');
  await writeFile(
    parent,
    `const { startProgram } = await import(${JSON.stringify(new URL('processes.ts', import.meta.url).href)});
     const child = startProgram(${JSON.stringify(talker)}, { args: ['stay'] });
     await child.line(/^ready/);
     console.log('child ' + child.pid);
     process.exit(0);`,
  );
  const program = startProgram(parent);
  const pid = Number((await program.line(/^child/)).split(' ')[1]);
  await program.exited;
  await until(async () => !(await isAlive(pid)), { what: 'the end of the child' });
});
