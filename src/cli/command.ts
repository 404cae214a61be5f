/** What the commands share: common options, help pages, and the connection pool of an action. */
import { Argument, Command, Option } from 'commander';
import { Pool } from 'pg';
import { trackSockets } from '../database/session.ts';
import { isoDates } from '../database/pool.ts';
import { builtInMethods } from '../queue/options.ts';
import { readDatabaseUrl } from './config.ts';
import { wrapped } from './table.ts';

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly databaseUrl?: string;
}

/** What a command's help shows after its options. */
export interface CommandHelp {
  /** The words after `pg-herald`. */
  readonly example: string;
  /** Further examples, each with what it does. */
  readonly more?: readonly (readonly [words: string, effect: string])[];
  readonly notes?: readonly string[];
  /** Names of other commands. */
  readonly seeAlso?: readonly string[];
}

/**
 * A command with the common options and its help page. It takes --table as well, which changes nothing where there is
 * no other form than text: a script may give it to any command.
 */
export function command(name: string, description: string, help: string | CommandHelp): Command {
  return baseCommand(name, description, help).addOption(new Option('--table').conflicts('json').hideHelp());
}

function baseCommand(name: string, description: string, help: string | CommandHelp): Command {
  const made = new Command(name)
    .description(description)
    .option('--json', 'print JSON for programs')
    .option('--database-url <url>', 'PostgreSQL database to use; default DATABASE_URL');
  return withHelp(made, typeof help === 'string' ? { example: help } : help);
}

/**
 * A command that prints a table. It prints JSON instead, as with `--json`, if standard output is not a terminal,
 * because a program reads it then.
 */
export function tableCommand(name: string, description: string, help: string | CommandHelp): Command {
  return baseCommand(name, description, help)
    .addOption(new Option('--table', 'print the table even if standard output is not a terminal').conflicts('json'))
    .hook('preAction', (_, called) => {
      if (!process.stdout.isTTY && called.opts().table !== true) called.setOptionValue('json', true);
    });
}

/** A command that only has subcommands. */
export function commandGroup(name: string, description: string, commands: readonly Command[]): Command {
  const group = new Command(name).description(description).configureHelp(helpStyle);
  for (const each of commands) group.addCommand(each);
  return group;
}

const bold = (text: string) => `\u001b[1m${text}\u001b[22m`;
// commander removes the styles if the output is not a terminal, and for NO_COLOR.
const helpStyle = { styleTitle: bold };

/** Adds examples, notes and references to the help of a command. */
export function withHelp(to: Command, help: CommandHelp): Command {
  return to.configureHelp(helpStyle).addHelpText('after', ({ error }) => {
    const output = to.configureOutput();
    const width = (error ? output.getErrHelpWidth?.() : output.getOutHelpWidth?.()) ?? 80;
    return helpText(help, width);
  });
}

function helpText({ example, more = [], notes = [], seeAlso = [] }: CommandHelp, width: number): string {
  const line = (text: string, indent: number) => wrapped(text, { width, indent });
  const usage = (words: string) => line(`  $ pg-herald ${words}`, 6);
  const others = seeAlso.map((name) => `pg-herald ${name}`).join(', ');
  return [
    '',
    bold(more.length > 0 ? 'Examples:' : 'Example:'),
    usage(example),
    ...more.flatMap(([words, effect]) => [usage(words), line(`      ${effect}`, 6)]),
    ...(notes.length > 0 ? ['', bold('Notes:'), ...notes.map((note) => line(`  ${note}`, 2))] : []),
    ...(seeAlso.length > 0 ? ['', line(`${bold('See also:')} ${others}`, 2)] : []),
  ].join('\n');
}

/** An option that takes any value, with the values that shells complete. */
export class SuggestingOption extends Option {
  readonly suggestions: readonly string[];

  constructor(flags: string, description: string, suggestions: readonly string[]) {
    super(flags, description);
    this.suggestions = suggestions;
  }
}

/** An argument that takes any value, with the values that shells complete. */
export class SuggestingArgument extends Argument {
  readonly suggestions: readonly string[];

  constructor(name: string, description: string, suggestions: readonly string[]) {
    super(name, description);
    this.suggestions = suggestions;
  }
}

/** The argument that names a delivery method. */
export function methodArgument(name = '<method>', description = 'name of a method'): Argument {
  return new SuggestingArgument(name, description, builtInMethods);
}

/** An option that names a delivery method. */
export function methodOption(description: string): Option {
  return new SuggestingOption('--method <name>', description, builtInMethods);
}

/** Runs work with a connection pool, and closes it. */
export async function withPool<T>(options: CommonOptions, work: (pool: Pool, url: string) => Promise<T>): Promise<T> {
  const url = readDatabaseUrl(options.databaseUrl);
  const sockets = trackSockets();
  const pool = new Pool({
    connectionString: url,
    stream: sockets.stream,
    max: 2,
    application_name: 'pg-herald cli',
    connectionTimeoutMillis: 10_000,
    ...isoDates,
  });
  pool.on('error', () => undefined);
  try {
    return await work(pool, url);
  } finally {
    await pool.end();
    // The driver leaves the socket of a failed login open, and the command would wait for it.
    sockets.destroy();
  }
}
