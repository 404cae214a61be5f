/** What the commands share: the database connection, ids, filters, asking back. */
import { createInterface } from 'node:readline/promises';
import { Command, Option } from 'commander';
import { Pool } from 'pg';
import { readDatabaseUrl } from './config.ts';
import { messageStatuses } from '../vocabulary.ts';
import type { MessageFilter } from '../operate/message-filter.ts';
import { printAside, Unsuccessful, UsageError } from './output.ts';

/** Options that every command understands. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly databaseUrl?: string;
}

/** A command with the options that all share and an example in its help. */
export function command(signature: string, description: string, example: string): Command {
  return new Command(signature)
    .description(description)
    .option('--json', 'print JSON for programs')
    .option('--database-url <url>', 'PostgreSQL to use; default DATABASE_URL')
    .addHelpText('after', `\nExample:\n  $ pg-herald ${example}`);
}

/** A command that prints a table: for people in a terminal; elsewhere a program reads, and the result is as with `--json`. */
export function listing(signature: string, description: string, example: string): Command {
  return command(signature, description, example)
    .addOption(new Option('--table', 'print the table for people in a pipe, too').conflicts('json'))
    .hook('preAction', (_, called) => {
      if (!process.stdout.isTTY && called.opts().table !== true) called.setOptionValue('json', true);
    });
}

/** Runs work with a pool and closes it. */
export async function withPool<T>(options: CommonOptions, work: (pool: Pool, url: string) => Promise<T>): Promise<T> {
  const url = readDatabaseUrl(options.databaseUrl);
  const pool = new Pool({
    connectionString: url,
    max: 2,
    application_name: 'pg-herald cli',
    connectionTimeoutMillis: 10_000,
  });
  pool.on('error', () => undefined);
  try {
    return await work(pool, url);
  } finally {
    await pool.end();
  }
}

export function isId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

export function messageId(text: string): string {
  if (!isId(text))
    throw new UsageError(
      `"${text}" is no message id; it looks like 01890a5d-ac96-774b-bcce-b302099a8057 (see "pg-herald messages list")`,
    );
  return text;
}

export function noSuchMessage(id: string): never {
  printAside(`no message ${id}; it may have been purged, or its transaction was rolled back`);
  throw new Unsuccessful();
}

/** `30s`, `15m`, `2h`, `7d` as milliseconds. */
export function duration(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text);
  const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[parts?.[2] ?? ''];
  if (parts === null || unit === undefined)
    throw new UsageError(`"${text}" is no duration; write for example 30s, 15m, 2h or 7d`);
  return Number(parts[1]) * unit;
}

export function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`"${text}" is no positive whole number`);
  return Number(text);
}

export function portNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new UsageError(`"${text}" is no port; it is 0 to 65535`);
  return Number(text);
}

/** Repeatable `key=value`. */
export function keyValue(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`"${text}" is not of the form key=value`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

const filterKeys = {
  status: 'status',
  method: 'method',
  template: 'template',
  recipient: 'recipientId',
  address: 'address',
  target: 'target',
  reason: 'reason',
  'dedupe-key': 'dedupeKey',
} as const;
/** For help and errors. */
export const filterHelp =
  'status=, method=, template=, recipient=, address=, target=, reason=, dedupe-key=, since=2h, until=1h; several must all match';

/** `status=failed since=2h` as a filter; never SQL. */
export function parseWhere(words: readonly string[], now: Date): MessageFilter {
  const filter: Record<string, string | Date> = {};
  for (const word of words.flatMap((text) => text.trim().split(/\s+/))) {
    const [key, value] = [word.slice(0, Math.max(word.indexOf('='), 0)), word.slice(word.indexOf('=') + 1)];
    if (key === 'since' || key === 'until') filter[key] = new Date(now.getTime() - duration(value));
    else if (key in filterKeys && value !== '') filter[filterKeys[key as keyof typeof filterKeys]] = value;
    else throw new UsageError(`"${word}" is no condition; known are ${filterHelp}`);
  }
  if (typeof filter.status === 'string' && !messageStatuses.some((status) => status === filter.status))
    throw new UsageError(`"${filter.status}" is no status; known are ${messageStatuses.join(', ')}`);
  return filter as MessageFilter;
}

/** Asks in a terminal; elsewhere demands `--yes`. */
export async function confirm(question: string, options: { readonly yes?: boolean }): Promise<void> {
  if (options.yes) return;
  if (!process.stdin.isTTY) throw new UsageError(`${question} Nobody can be asked here; add --yes to go on`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${question} [y/N] `);
  terminal.close();
  if (!/^y(es)?$/i.test(answer.trim())) {
    printAside('nothing changed');
    throw new UsageError('not confirmed');
  }
}
