import { Command } from 'commander';
import type { Pool } from 'pg';
import { type Cursor, listMessages, type MessageLine, showMessage } from '../operate/messages.ts';
import {
  type CommonOptions,
  filterHelp,
  listing,
  messageId,
  noSuchMessage,
  parseWhere,
  positiveInteger,
  withPool,
} from './command.ts';
import {
  color,
  print,
  printAside,
  printFields,
  printJson,
  printTable,
  statusText,
  terminalWidth,
  timeText,
  UsageError,
} from './output.ts';
import { tailCommand } from './tail.ts';

interface ListOptions extends CommonOptions {
  readonly where?: readonly string[];
  readonly limit: number;
  readonly after?: string;
  readonly address?: readonly string[];
}

export function messagesCommand(): Command {
  return new Command('messages')
    .description('Look at messages')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(tailCommand());
}

function listCommand(): Command {
  return listing('list', 'Messages, newest first', 'messages list --where status=failed since=2h')
    .option('--where <condition...>', filterHelp)
    .option('--address <address>', 'to this address, for example ada@example.com', (text) => [`address=${text}`])
    .option('--limit <n>', 'lines, 1000 at most', positiveInteger, 50)
    .option('--after <id>', 'the page after this message')
    .action((options: ListOptions) =>
      withPool(options, async (pool) => {
        const after = options.after === undefined ? undefined : await cursorOf(pool, messageId(options.after));
        const { where = [], address = [], limit } = options;
        const lines = await listMessages(pool, parseWhere([...where, ...address], new Date()), { limit, after });
        if (options.json) return printJson(lines);
        const narrow = (terminalWidth() ?? roomy) < roomy;
        printTable(
          ['message', 'created (UTC)', 'template', 'method', 'recipient', 'status', 'attempts'],
          lines.map((line) => rowOf(line, narrow)),
          'no messages',
          {
            whole: ['message', 'created (UTC)'],
            spare: ['attempts', 'method', 'created (UTC)'],
            dear: ['template'],
            least: narrow ? 10 : 12,
          },
        );
        const last = lines.at(-1);
        if (last && lines.length === options.limit) printAside(color('dim', `more: --after ${last.id}`));
      }),
    );
}

async function cursorOf(pool: Pool, id: string): Promise<Cursor> {
  const message = await showMessage(pool, id);
  if (message === null) throw new UsageError(`no message ${id}`);
  return { id, createdAt: message.createdAt };
}

/** A terminal of fewer columns gets times to the minute, and templates without their versions. */
const roomy = 120;

function rowOf(line: MessageLine, narrow: boolean): string[] {
  const { id, createdAt, template, version, method, recipientId, status, reason, attempts } = line;
  return [
    id,
    timeText(createdAt).slice(0, narrow ? 16 : undefined),
    narrow ? template : `${template} v${version}`,
    method,
    recipientId,
    `${statusText(status)}${reason ? ` ${reason}` : ''}`,
    String(attempts),
  ];
}

function showCommand(): Command {
  return listing(
    'show',
    'Everything about one message but its secret labels',
    'messages show 01890a5d-ac96-774b-bcce-b302099a8057',
  )
    .argument('<id>', 'id of the message', messageId)
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
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
          { whole: ['started (UTC)'], spare: ['worker', 'started (UTC)'], least: 30 },
        );
      }),
    );
}
