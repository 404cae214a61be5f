/** Writes `man/pg-herald.1` into `dist/`, or the folder that is named, from the tree of commands: the help of each, as `man` shows it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { createProgram } from '../src/cli/program.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const roff = (text: string) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&');

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 76,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trimEnd();
}

function section(command: Command, path: readonly string[]): string[] {
  const own = [`.SH ${roff(path.join(' ').toUpperCase())}`, '.nf', roff(helpOf(command)), '.fi'];
  return [
    ...own,
    ...command.commands
      .filter((each) => each.name() !== 'help')
      .flatMap((each) => section(each, [...path, each.name()])),
  ];
}

export async function manPage(): Promise<string> {
  const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string };
  const program = await createProgram();
  // The width is asked of the root while the further examples and notes are written.
  program.configureOutput({ getOutHelpWidth: () => 76 });
  return [
    `.TH PG\\-HERALD 1 "" "pg\\-herald ${version}" "User Commands"`,
    '.SH NAME',
    `pg\\-herald \\- ${roff(program.description().replace(/^\w/, (first) => first.toLowerCase()))}`,
    '.SH SYNOPSIS',
    '.B pg\\-herald',
    'COMMAND [options]',
    ...section(program, ['pg-herald']),
    '',
  ].join('\n');
}

if (import.meta.main) {
  const target = resolve(process.argv[2] ?? `${root}/dist`);
  mkdirSync(`${target}/man`, { recursive: true });
  writeFileSync(`${target}/man/pg-herald.1`, await manPage());
}
