/** Help: every command has an example, every example is a command that exists, and `help` finds its way. */
import type { Command } from 'commander';
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { findCommand, manual } from '../../src/cli/manual.ts';
import { createProgram } from '../../src/cli/program.ts';
import { manPage } from '../../scripts/man.ts';
import { hasProgram, runCli } from './support.ts';

const program = await createProgram();

function leaves(at: Command): Command[] {
  return at.commands.length === 0 ? [at] : at.commands.flatMap(leaves);
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => 80,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}

describe('the manual', () => {
  test('shows an example for every command', () => {
    const without = leaves(program).filter(
      (command) => command.name() !== 'help' && !/\n {2}\$ .*pg-herald /.test(helpOf(command)),
    );
    expect(leaves(program).length).toBeGreaterThan(30);
    expect(without.map((command) => command.name())).toEqual([]);
  });

  test('is named by the error about an unknown option, by every command', async () => {
    for (const command of [['status'], ['messages', 'list']]) {
      const { code, err } = await runCli([...command, '--nope'], {});
      expect({ code, err }).toEqual({
        code: 2,
        err: "error: unknown option '--nope'\n(--help shows what there is)\n",
      });
    }
  });

  test('knows no page, example or reference of a command or option that does not exist', () => {
    const wrong: string[] = [];
    for (const [path, { examples = [], seeAlso = [] }] of Object.entries(manual)) {
      if (findCommand(program, path.split(' ')) === null) wrong.push(`page ${path}`);
      for (const name of seeAlso) if (findCommand(program, name.split(' ')) === null) wrong.push(`see also ${name}`);
      for (const [words] of examples) wrong.push(...problemsOf(words));
    }
    expect(wrong).toEqual([]);
  });

  test('fits 80 columns', () => {
    const long = leaves(program).flatMap((command) =>
      helpOf(command)
        .split('\n')
        .filter((line) => line.length > 80 && !line.includes('$ pg-herald')),
    );
    expect(long).toEqual([]);
  });

  test('is shown by "help" with any number of words', async () => {
    expect(await runCli(['help', 'messages', 'list'], {})).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /Usage: pg-herald messages list[\s\S]*More examples:[\s\S]*Notes:[\s\S]*See also: pg-herald why/,
      ),
    });
    expect(await runCli(['help'], {})).toMatchObject({ code: 0, out: expect.stringContaining('Exit codes:') });
    expect(await runCli(['help', 'frobnicate'], {})).toMatchObject({
      code: 2,
      err: expect.stringContaining('no command "frobnicate"'),
    });
  });

  test.skipIf(!hasProgram('man'))('is a page for man, without a complaint', async () => {
    const options = { input: await manPage(), encoding: 'utf8', env: { ...process.env, MANWIDTH: '100' } } as const;
    const { stdout, stderr } = spawnSync('man', ['--warnings', '-l', '-'], options);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^NAME\n\s+pg-herald\s+-\s+notifications\s+in\s+your/m);
    expect(stdout).toMatch(/^PG-HERALD MESSAGES LIST\n/m);
    expect(stdout).toContain('$ pg-herald retry --where status=failed since=2h');
  });

  test('has no colours where there is no terminal', async () => {
    expect((await runCli(['help', 'retry'], { NO_COLOR: '' })).out).not.toContain('\u001b');
  });
});

function problemsOf(words: string): string[] {
  const parts = words.split(/ [>|] /)[0]?.split(' ') ?? [];
  let at = program;
  for (const part of parts) at = at.commands.find((each) => each.name() === part) ?? at;
  if (at === program) return [`example ${words}`];
  const options = parts.filter((part) => part.startsWith('--'));
  return options
    .filter((name) => !at.options.some((option) => option.long === name))
    .map((name) => `example ${words}: ${name}`);
}
