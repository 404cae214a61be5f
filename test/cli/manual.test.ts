/** Help: every command has an example, every example is a command that exists, and `help` finds its way. */
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { generatedPages } from '../../scripts/generate-docs.ts';
import { createProgram, findCommand } from '../../src/cli/program.ts';
import { runCli } from './support.ts';

const program = await createProgram();

function leaves(at: Command): Command[] {
  return at.commands.length === 0 ? [at] : at.commands.flatMap(leaves);
}

function all(at: Command): Command[] {
  return [at, ...at.commands.flatMap(all)];
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

describe('the help of a command', () => {
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
        err: "pg-herald: unknown option '--nope'\n(use --help for usage)\n",
      });
    }
  });

  test('has no example of or reference to a command or option that does not exist', () => {
    const examples = all(program).flatMap((command) =>
      [...helpOf(command).matchAll(/^ {2}\$ pg-herald (.*)$/gm)].map(([, words = '']) => words),
    );
    const references = all(program).flatMap((command) =>
      [...(/^See also: (.*(?:\n {2}.*)*)/m.exec(helpOf(command))?.[1] ?? '').matchAll(/pg-herald ([a-z ]+)/g)].map(
        ([, name = '']) => name.trim(),
      ),
    );
    expect(examples.length).toBeGreaterThan(60);
    expect(references.length).toBeGreaterThan(30);
    expect(examples.flatMap(problemsOf)).toEqual([]);
    expect(references.filter((name) => findCommand(program, name.split(' ')) === null)).toEqual([]);
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
        /Usage: pg-herald messages list[\s\S]*Examples:[\s\S]*Notes:[\s\S]*See also: pg-herald why/,
      ),
    });
    expect(await runCli(['help'], {})).toMatchObject({ code: 0, out: expect.stringContaining('Exit codes:') });
    expect(await runCli(['help', 'frobnicate'], {})).toMatchObject({
      code: 2,
      err: expect.stringContaining('no command "frobnicate"'),
    });
  });

  test('is what the generated pages of the documentation say', async () => {
    for (const [path, text] of Object.entries(await generatedPages()))
      expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'), 'npm run docs:generate').toBe(text);
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
