/** The tree of commands. */
import { readFileSync } from 'node:fs';
import { Command, type Option } from 'commander';
import { withHelp } from './command.ts';
import { printableLines } from '../printable.ts';
import { UsageError } from './output.ts';

/** Loads each command's module when it is needed: `pg-herald why` need not wait for the email libraries. */
const commands: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['dev', async () => (await import('./dev.ts')).devCommand()],
  ['migrate', async () => (await import('./migrate.ts')).migrateCommand()],
  ['templates', async () => (await import('./templates.ts')).templatesCommand()],
  ['types', async () => (await import('./types.ts')).typesCommand()],
  ['worker', async () => (await import('./worker.ts')).workerCommand()],
  ['send', async () => (await import('./send.ts')).sendCommand()],
  ['messages', async () => (await import('./messages.ts')).messagesCommand()],
  ['why', async () => (await import('./why.ts')).whyCommand()],
  ['inbox', async () => (await import('./inbox.ts')).inboxCommand()],
  ['retry', async () => (await import('./retry.ts')).retryCommand()],
  ['cancel', async () => (await import('./cancel.ts')).cancelCommand()],
  ['hold', async () => (await import('./hold.ts')).holdCommand()],
  ['release', async () => (await import('./release.ts')).releaseCommand()],
  ['discard', async () => (await import('./discard.ts')).discardCommand()],
  ['status', async () => (await import('./status.ts')).statusCommand()],
  ['cancel-with', async () => (await import('./cancel-with.ts')).cancelWithCommand()],
  ['pause', async () => (await import('./pause.ts')).pauseCommand()],
  ['resume', async () => (await import('./pause.ts')).resumeCommand()],
  ['methods', async () => (await import('./methods.ts')).methodsCommand()],
  ['preferences', async () => (await import('./preferences.ts')).preferencesCommand()],
  ['hours', async () => (await import('./hours.ts')).hoursCommand()],
  ['suppressions', async () => (await import('./suppressions.ts')).suppressionsCommand()],
  ['bounces', async () => (await import('./bounces.ts')).bouncesCommand()],
  ['endpoints', async () => (await import('./endpoints.ts')).endpointsCommand()],
  ['tenants', async () => (await import('./tenants.ts')).tenantsCommand()],
  ['console', async () => (await import('./console.ts')).consoleCommand()],
  ['audit', async () => (await import('./audit.ts')).auditCommand()],
  ['doctor', async () => (await import('./doctor.ts')).doctorCommand()],
  ['retention', async () => (await import('./retention.ts')).retentionCommand()],
  ['erase', async () => (await import('./erase.ts')).eraseCommand()],
  ['purge', async () => (await import('./purge.ts')).purgeCommand()],
  ['completion', async () => (await import('./completion.ts')).completionCommand(() => createProgram())],
]);

/** The headings of `pg-herald --help`; a command that is not named here is under the last. */
const groups: readonly (readonly [heading: string, ...names: string[]])[] = [
  ['Set up:', 'dev', 'migrate', 'templates', 'types', 'worker', 'send', 'completion'],
  ['Inspect:', 'status', 'messages', 'why', 'inbox', 'console', 'audit', 'doctor'],
  ['Act on messages:', 'retry', 'cancel', 'hold', 'release', 'discard', 'pause', 'resume'],
  [
    'Methods, rules and receivers:',
    ...['methods', 'preferences', 'hours', 'suppressions', 'bounces', 'endpoints', 'tenants', 'cancel-with'],
  ],
  ['Retention and deletion:', 'retention', 'purge', 'erase'],
  ['More:'],
];

const versionFlags = ['--version', '-V'];

/** The program with all commands or, to start quickly, only with the one that is `wanted`. */
export async function createProgram(wanted?: string): Promise<Command> {
  const root = rootCommand();
  const one = wanted === undefined ? undefined : commands.get(wanted);
  const needed = one ? [one] : versionFlags.includes(wanted ?? '') ? [] : [...commands.values()];
  for (const load of needed) root.addCommand(inGroup(await load()));
  if (one === undefined) root.addCommand(inGroup(helpCommand(root)));
  return withErrors(root);
}

function rootCommand(): Command {
  const file = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
  const root = new Command('pg-herald')
    .description('Notifications in your own Postgres: if your transaction commits, the notification will be delivered')
    .version(version)
    .helpCommand(false);
  return withHelp(root, {
    example: 'status',
    more: [
      ['why ada@example.com', 'why did Ada not receive it?'],
      ['help retry', 'the help of a command'],
    ],
    notes: [
      'In a terminal, tables fit its width. In a pipe, a command that prints a table prints JSON instead, as every ' +
        'command does with --json. --table prints the table there as well, uncut.',
      'Exit codes: 0 success, 1 failure, 2 invalid usage or environment; "bounces accept" has 75 for try again.',
      'Environment: DATABASE_URL or PGHOST, PGUSER, PGPASSWORD and PGDATABASE name the database, unless ' +
        '--database-url does. NO_COLOR turns colours off. A worker also reads HERALD_* variables. The file ' +
        '.env in the current folder adds variables that the environment does not have.',
    ],
  });
}

/** `pg-herald help messages list`; commander's own takes one word only. */
function helpCommand(root: Command): Command {
  return new Command('help')
    .description('Show the help of a command, for example "pg-herald help messages list"')
    .argument('[command...]', 'words of a command')
    .action((words: string[]) => {
      const found = findCommand(root, words);
      if (found === null) throw new UsageError(`no command "${words.join(' ')}": "pg-herald --help" lists them`);
      found.outputHelp();
    });
}

/** The command at the end of a path, or null if there is none. The empty path is the program itself. */
export function findCommand(root: Command, path: readonly string[]): Command | null {
  let at: Command | undefined = root;
  for (const name of path) at = at?.commands.find((each) => each.name() === name || each.aliases().includes(name));
  return at ?? null;
}

/**
 * Commander's message with our prefix. Its own hints are on lines that start with a parenthesis; other breaks are
 * input.
 */
function commanderError(text: string): string {
  return printableLines(text.replace(/^error: /, 'pg-herald: ').replace(/\n(?!\(|$)/g, '\\n'));
}

/** Makes the errors of an option's parser start with its name. */
function nameInErrors(option: Option): void {
  const parse = option.parseArg;
  if (parse === undefined) return;
  option.argParser((text, previous) => {
    try {
      return parse(text, previous);
    } catch (error) {
      throw error instanceof UsageError ? new UsageError(`${option.long}: ${error.message}`) : error;
    }
  });
}

function inGroup(command: Command): Command {
  const group = groups.find(([, ...names]) => names.includes(command.name())) ?? groups.at(-1);
  return command.helpGroup(group?.[0] ?? '');
}

/**
 * Commander exits with 1 for invalid usage, and this program with 2. Nothing is inherited, so every command gets
 * this.
 */
function withErrors(at: Command): Command {
  at.options.forEach(nameInErrors);
  at.exitOverride()
    .showHelpAfterError('(use --help for usage)')
    .configureOutput({ outputError: (text, write) => write(commanderError(text)) });
  at.commands.forEach(withErrors);
  return at;
}
