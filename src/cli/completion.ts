/** Completion for shells, written from the tree of commands: what completes is what exists. */
import type { Command } from 'commander';
import { messageStatuses } from '../vocabulary.ts';
import { command } from './command.ts';
import { print, UsageError } from './output.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

/** One command as a shell sees it. */
interface Place {
  /** Without `pg-herald`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly OptionWord[];
  /** Words for the first argument. */
  readonly words: readonly string[];
  /** Whether an argument is a file or folder. */
  readonly files: boolean;
}

interface Word {
  readonly word: string;
  readonly description: string;
}

interface OptionWord extends Word {
  /** Words for its value. */
  readonly values: readonly string[];
  /** Whether its value is a file or folder. */
  readonly files: boolean;
}

export function completionCommand(tree: () => Promise<Command>): Command {
  return command('completion', 'Print completion for a shell', 'completion bash > /etc/bash_completion.d/pg-herald')
    .argument('<shell>', shells.join(', '))
    .action(async (shell: string) => {
      if (!isShell(shell)) throw new UsageError(`"${shell}" is no shell known here; known are ${shells.join(', ')}`);
      print(scripts[shell](placesOf(await tree())));
    });
}

function isShell(text: string): text is Shell {
  return shells.some((shell) => shell === text);
}

const conditionWords = [
  ...messageStatuses.map((status) => `status=${status}`),
  ...['method=', 'template=', 'recipient=', 'address=', 'target=', 'reason=', 'dedupe-key=', 'since=', 'until='],
];
const valuesOf: Readonly<Record<string, readonly string[]>> = {
  '--where': conditionWords,
  '--format': ['standard', 'slack', 'teams', 'discord', 'pagerduty', 'ntfy'],
  '--retry': ['all', 'transient'],
};
const methods = ['smtp', 'webhook', 'inbox'];
const argumentWords: Readonly<Record<string, readonly string[]>> = { method: methods, shell: shells };
const isFile = (name: string) => /file|path|folder/.test(name);

function placesOf(root: Command): Place[] {
  const places: Place[] = [];
  const visit = (at: Command, path: readonly string[]): void => {
    const help = at.createHelp();
    const [argument] = at.registeredArguments;
    places.push({
      path: path.join(' '),
      commands: help.visibleCommands(at).map((each) => ({ word: each.name(), description: each.description() })),
      options: help.visibleOptions(at).map((option) => ({
        word: option.long ?? option.short ?? '',
        description: option.description,
        values: valuesOf[option.long ?? ''] ?? (option.long === '--method' ? methods : []),
        files: isFile(option.flags),
      })),
      words: argumentWords[argument?.name() ?? ''] ?? [],
      files: isFile(argument?.name() ?? ''),
    });
    for (const each of at.commands) visit(each, [...path, each.name()]);
  };
  visit(root, []);
  return places;
}

/** In single quotes, for any of the three shells. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const wordsOf = (words: readonly Word[]) => words.map(({ word }) => word).join(' ');

function bash(places: readonly Place[]): string {
  const known = places.map(({ path }) => path).filter((path) => path !== '');
  const values = places.flatMap(({ path, options }) =>
    options
      .filter((option) => option.values.length > 0 || option.files)
      .map(
        ({ word, values: list, files }) =>
          `    ${quoted(`${path}|${word}`)}) ${files ? 'files=1' : `words=${quoted(list.join(' '))}`} ;;`,
      ),
  );
  return `# bash completion for pg-herald; made by "pg-herald completion bash"
_pg_herald() {
  local current path='' word words='' files='' option='' index
  # The whole word: bash splits it at "=".
  current=\${COMP_LINE:0:COMP_POINT}
  current=\${current##*[[:space:]]}
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    case "$word" in
      --*) option=$word ;;
      *) case "\${path:+$path }$word" in
${known.map((path) => `        ${quoted(path)}) path=${quoted(path)} ;;`).join('\n')}
      esac ;;
    esac
  done
  case "$path|$option" in
${values.join('\n')}
  esac
  # A value follows its option at once; --where takes several.
  [ "$option" = --where ] || [ "\${COMP_WORDS[COMP_CWORD - 1]}" = "$option" ] || { words='' files=''; }
  if [ -z "$words$files" ] || [[ $current == -* ]]; then
    case "$path" in
${places.map(({ path, commands, options, words, files }) => `      ${quoted(path)}) words=${quoted([...words, wordsOf(commands), wordsOf(options)].filter(Boolean).join(' '))}${files ? ' files=1' : ''} ;;`).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ -n "$files" ] && [[ $current != -* ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$current"))
  fi
  # Only what stands behind the last "=" is replaced.
  case "$current" in *=*) COMPREPLY=("\${COMPREPLY[@]#"\${current%"\${current##*=}"}"}") ;; esac
  case "\${COMPREPLY[0]-}" in *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _pg_herald pg-herald`;
}

function zsh(places: readonly Place[]): string {
  const described = (words: readonly Word[]) =>
    words.map(({ word, description }) => quoted(`${word.replaceAll(':', '\\:')}:${description}`)).join(' ');
  const values = places.flatMap(({ path, options }) =>
    options
      .filter((option) => option.values.length > 0 || option.files)
      .map(
        ({ word, values: list, files }) =>
          `    ${quoted(`${path}|${word}`)}) ${files ? '_files' : `compadd -S '' -- ${list.map(quoted).join(' ')}`}; return ;;`,
      ),
  );
  return `#compdef pg-herald
# zsh completion for pg-herald; made by "pg-herald completion zsh"
_pg_herald() {
  local at='' word option=''
  local -a list
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in
      --*) option=$word ;;
      *) case "\${at:+$at }$word" in
${places
  .filter(({ path }) => path !== '')
  .map(({ path }) => `        ${quoted(path)}) at=${quoted(path)} ;;`)
  .join('\n')}
      esac ;;
    esac
  done
  if [[ $PREFIX != -* && ( $option == --where || \${words[CURRENT-1]} == $option ) ]]; then case "$at|$option" in
${values.join('\n')}
  esac; fi
  case "$at" in
${places.map(({ path, commands, options, words, files }) => `    ${quoted(path)}) list=(${described([...words.map((word) => ({ word, description: '' })), ...commands])}); _describe -t commands command list; list=(${described(options)}); _describe -t options option list${files ? '; _files' : ''} ;;`).join('\n')}
  esac
}
if [ "$funcstack[1]" = _pg_herald ]; then _pg_herald "$@"; else compdef _pg_herald pg-herald; fi`;
}

function fish(places: readonly Place[]): string {
  const complete = (path: string, rest: string) =>
    `complete -c pg-herald -n ${quoted(`__pg_herald_at ${path}`)} ${rest}`;
  const lines = places.flatMap(({ path, commands, options, words, files }) => [
    ...commands.map((each) => complete(path, `-f -a ${quoted(each.word)} -d ${quoted(each.description)}`)),
    ...(words.length > 0 ? [complete(path, `-f -a ${quoted(words.join(' '))}`)] : []),
    ...(files ? [complete(path, '-F')] : []),
    ...options.map(({ word, description, values, files: file }) =>
      complete(
        path,
        `-l ${word.slice(2)} -d ${quoted(description)}${file ? ' -r -F' : values.length > 0 ? ` -x -a ${quoted(values.join(' '))}` : ''}`,
      ),
    ),
  ]);
  return `# fish completion for pg-herald; made by "pg-herald completion fish"
function __pg_herald_at
  set -l known ${places
    .filter(({ path }) => path !== '')
    .map(({ path }) => quoted(path))
    .join(' ')}
  set -l at ''
  for word in (commandline -opc)[2..-1]
    set -l longer (string trim -- "$at $word")
    contains -- $longer $known; and set at $longer
  end
  test "$at" = "$argv"
end
complete -c pg-herald -f
${lines.join('\n')}`;
}

const scripts: Readonly<Record<Shell, (places: readonly Place[]) => string>> = { bash, zsh, fish };
