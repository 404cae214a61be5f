import type { Command } from 'commander';
import type { Pool } from 'pg';
import { type Cursor, listMessages, type MessageLine, showMessage } from '../operate/messages.ts';
import { positiveInteger } from './arguments.ts';
import { type CommonOptions, commandGroup, tableCommand, withPool } from './command.ts';
import { messageIdOf, noSuchMessage } from './message-id.ts';
import {
  color,
  print,
  printFields,
  printJson,
  printStderr,
  printTable,
  statusText,
  terminalWidth,
  timeText,
  UsageError,
} from './output.ts';
import { tailCommand } from './tail.ts';
import { conditionsHelp, parseWhere, whereOption } from './where.ts';

interface ListOptions extends CommonOptions {
  readonly where?: readonly string[];
  readonly limit: number;
  readonly after?: string;
  readonly address?: readonly string[];
}

/** `pg-herald messages` */
export function messagesCommand(): Command {
  return commandGroup('messages', 'List and show messages', [listCommand(), showCommand(), tailCommand()]);
}

function listCommand(): Command {
  return tableCommand('list', 'List messages, newest first', {
    example: 'messages list --where status=failed since=2h',
    more: [
      ['messages list --where recipient=user-7', 'what one recipient was sent'],
      ['messages list --where status=failed since=1d | jq length', 'JSON in a pipe'],
      ['messages list --table | less', 'the table in a pipe'],
      ['messages list --after 01890a5d-ac96-774b-bcce-b302099a8057', 'the next page'],
    ],
    notes: [`Conditions: ${conditionsHelp}.`],
    seeAlso: ['why', 'messages tail'],
  })
    .addOption(whereOption())
    .option('--address <address>', 'only messages to this address, for example ada@example.com', (text) => [
      `address=${text}`,
    ])
    .option('--limit <n>', 'number of messages, 1000 at most', positiveInteger, 50)
    .option('--after <id>', 'show the page after this message')
    .action(list);
}

async function list(options: ListOptions): Promise<void> {
  await withPool(options, async (pool) => {
    const after =
      options.after === undefined ? undefined : await cursorOf(pool, await messageIdOf(pool, options.after));
    const { where = [], address = [], limit } = options;
    const lines = await listMessages(pool, parseWhere([...where, ...address], new Date()), { limit, after });
    if (options.json) return printJson(lines);
    printLines(lines, terminalWidth() ?? wideTerminal);
    const last = lines.at(-1);
    if (last && lines.length === limit) printStderr(color('dim', `more: --after ${last.id}`));
  });
}

async function cursorOf(pool: Pool, id: string): Promise<Cursor> {
  const message = await showMessage(pool, id);
  if (message === null) throw new UsageError(`no message ${id}`);
  return { id, createdAt: message.createdAt };
}

/** A narrower terminal shows the start of ids, times to the minute, and templates without their versions. */
const wideTerminal = 120;
/** From here on a template is shown before the words of a status. */
const middleTerminal = 100;
/** The time to the millisecond and 26 random bits, which tell apart the messages of one call of `enqueue`. */
const shortIdLength = 23;

function printLines(lines: readonly MessageLine[], width: number): void {
  const empty = 'no messages';
  if (width >= wideTerminal) {
    const headings = ['message', 'created (UTC)', 'template', 'method', 'recipient', 'status', 'attempts'];
    const fit = { neverCut: ['message', 'created (UTC)'], dropFirst: ['attempts', 'method'], cutLast: ['template'] };
    return printTable(headings, lines.map(wideRow), empty, fit);
  }
  printTable(['message', 'UTC', 'template', 'method', 'recipient', 'status'], lines.map(narrowRow), empty, {
    neverCut: ['message', 'UTC', 'method'],
    ...(width < middleTerminal ? { cutLast: ['status'], minWidth: 7 } : { cutLast: ['template'], minWidth: 10 }),
  });
}

function wideRow(line: MessageLine): string[] {
  const { id, createdAt, template, version, method, recipientId, attempts } = line;
  return [id, timeText(createdAt), `${template} v${version}`, method, recipientId, stateText(line), String(attempts)];
}

function narrowRow(line: MessageLine): string[] {
  const { id, createdAt, template, method, recipientId } = line;
  const time = timeText(createdAt).slice(5, 16);
  return [id.slice(0, shortIdLength), time, template, method, recipientId, stateText(line)];
}

function stateText({ status, reason }: MessageLine): string {
  return `${statusText(status)}${reason && reason !== status ? ` ${reason}` : ''}`;
}

function showCommand(): Command {
  return tableCommand('show', 'Show everything about one message except its secret labels', {
    example: 'messages show 01890a5d-ac96-774b-bcce-b302099a8057',
    seeAlso: ['why'],
  })
    .argument('<id>', 'id of the message, or its first characters')
    .action((given: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const id = await messageIdOf(pool, given);
        const message = await showMessage(pool, id);
        if (message === null) return noSuchMessage(id);
        if (options.json) return printJson(message);
        const { attemptRecords, ...fields } = message;
        printFields(fields);
        print('');
        printTable(
          ['attempt', 'started (UTC)', 'outcome', 'reason', 'reply', 'worker'],
          attemptRecords.map((a) => [
            String(a.number),
            timeText(a.startedAt),
            statusText(a.outcome),
            a.reason ?? '',
            a.replyText ?? a.replyCode ?? a.detail ?? '',
            a.worker,
          ]),
          'no attempts yet',
          { neverCut: ['started (UTC)'], dropFirst: ['worker', 'started (UTC)'], minWidth: 30 },
        );
      }),
    );
}
