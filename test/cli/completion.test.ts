/** Completion as the shells run it: the printed script is loaded and asked. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasProgram, runCli } from './support.ts';

let folder: string;
const scriptOf = (shell: string) => join(folder, `pg-herald.${shell}`);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'herald-completion-'));
  const results = await Promise.all(['bash', 'zsh', 'fish'].map((shell) => runCli(['completion', shell], {})));
  for (const [index, shell] of ['bash', 'zsh', 'fish'].entries())
    writeFileSync(scriptOf(shell), results[index]?.out ?? '');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What readline would call for a Tab at the end of the line, with its own splitting at "=". */
function inBash(line: string): string[] {
  const words = line.split(/ |(=)/).filter((word) => word !== undefined);
  const program = `source "$1"; COMP_LINE=$2 COMP_POINT=\${#2} COMP_CWORD=$3; shift 3; COMP_WORDS=("$@"); _pg_herald; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const args = ['-c', program, 'bash', scriptOf('bash'), line, String(words.length - 1), ...words];
  return execFileSync('bash', args, { encoding: 'utf8', cwd: folder }).split('\n').filter(Boolean);
}

describe('completion', () => {
  test.each<[string, string[]]>([
    ['pg-herald mess', ['messages']],
    ['pg-herald messages t', ['tail']],
    ['pg-herald endpoints re', ['reseal', 'remove', 'replay']],
    ['pg-herald retry --wh', ['--where', '--why']],
    ['pg-herald retry --where status=f', ['failed']],
    ['pg-herald retry --where status=failed rea', ['reason=']],
    ['pg-herald retry --where status=failed --y', ['--yes']],
    ['pg-herald pause sm', ['smtp']],
    ['pg-herald templates check pg-herald.f', ['pg-herald.fish']],
    ['pg-herald endpoints add --format sl', ['slack']],
    ['pg-herald nothing-like-it', []],
  ])('in bash completes "%s"', (line, expected) => {
    expect(inBash(line)).toEqual(expected);
  });

  test('offers every command, and to a command its own options only', async () => {
    const { out } = await runCli(['--help'], {});
    const offered = inBash('pg-herald ');
    for (const name of ['status', 'messages', 'why', 'retry', 'purge', 'doctor', 'completion']) {
      expect(out).toContain(`  ${name}`);
      expect(offered).toContain(name);
    }
    expect(inBash('pg-herald purge --')).toEqual([
      '--json',
      '--database-url',
      '--older-than',
      '--dry-run',
      '--yes',
      '--help',
    ]);
  });

  test.skipIf(!hasProgram('fish'))('in fish completes commands, options and their values', () => {
    const ask = (line: string) =>
      execFileSync('fish', ['--no-config', '-c', `source ${scriptOf('fish')}; complete -C ${JSON.stringify(line)}`], {
        encoding: 'utf8',
      })
        .split('\n')
        .map((each) => each.split('\t')[0])
        .filter(Boolean);
    expect(ask('pg-herald mess')).toEqual(['messages']);
    expect(ask('pg-herald messages l')).toEqual(['list']);
    expect(ask('pg-herald retry --where status=f')).toEqual(['status=failed']);
  });

  test.skipIf(!hasProgram('zsh'))('in zsh is a script that loads', () => {
    const loads = 'autoload -U compinit; compinit -D; source "$1"; print -r -- ${_comps[pg-herald]}';
    expect(execFileSync('zsh', ['-f', '-c', loads, 'zsh', scriptOf('zsh')], { encoding: 'utf8' })).toBe('_pg_herald\n');
  });

  test('knows three shells', async () => {
    expect(await runCli(['completion', 'tcsh'], {})).toMatchObject({
      code: 2,
      err: expect.stringContaining('bash, zsh, fish'),
    });
  });
});
