import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { Pool } from 'pg';
import { cancel } from '../enqueue/cancel.ts';
import {
  type Cursor,
  holdMessages,
  listMessages,
  type MessageLine,
  retryMessages,
  showMessage,
} from '../operate/messages.ts';
import { explain } from '../operate/why.ts';
import { audit } from './audit.ts';
import {
  type CommonOptions,
  command,
  filterHelp,
  messageId,
  parseWhere,
  positiveInteger,
  type SelectionOptions,
  selectIds,
  withPool,
} from './command.ts';
import {
  color,
  print,
  printAside,
  printJson,
  printTable,
  statusText,
  timeText,
  Unsuccessful,
  UsageError,
} from './output.ts';

interface ListOptions extends CommonOptions {
  readonly where?: readonly string[];
  readonly limit: number;
  readonly after?: string;
}

export function messagesCommand(): Command {
  return new Command('messages')
    .description('Look at messages')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(tailCommand());
}

function listCommand(): Command {
  return command('list', 'Messages, newest first', 'messages list --where status=failed since=2h')
    .option('--where <condition...>', filterHelp)
    .option('--limit <n>', 'lines, 1000 at most', positiveInteger, 50)
    .option('--after <id>', 'the page after this message')
    .action((options: ListOptions) =>
      withPool(options, async (pool) => {
        const after = options.after === undefined ? undefined : await cursorOf(pool, messageId(options.after));
        const lines = await listMessages(pool, parseWhere(options.where ?? [], new Date()), {
          limit: options.limit,
          after,
        });
        if (options.json) return printJson(lines);
        printTable(
          ['message', 'created (UTC)', 'template', 'method', 'recipient', 'status', 'attempts'],
          lines.map(rowOf),
          'no messages',
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

function rowOf(line: MessageLine): string[] {
  const { id, createdAt, template, version, method, recipientId, status, reason, attempts } = line;
  return [
    id,
    timeText(createdAt),
    `${template} v${version}`,
    method,
    recipientId,
    `${statusText(status)}${reason ? ` ${reason}` : ''}`,
    String(attempts),
  ];
}

function showCommand(): Command {
  return command(
    'show',
    'Everything about one message but its secret labels',
    'messages show 01890a5d-ac96-774b-bcce-b302099a8057',
  )
    .argument('<id>', 'id of the message', messageId)
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const message = await showMessage(pool, id);
        if (message === null) return notFound(id);
        if (options.json) return printJson(message);
        const { attemptRecords, ...fields } = message;
        for (const [name, value] of Object.entries(fields)) {
          if (value === null || (Array.isArray(value) && value.length === 0)) continue;
          print(
            `${color('bold', name.padEnd(16))} ${value instanceof Date ? timeText(value) : typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
          );
        }
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
        );
      }),
    );
}

function tailCommand(): Command {
  return command('tail', 'Messages as they change, until Ctrl-C', 'messages tail --where template=password-reset')
    .option('--where <condition...>', filterHelp)
    .action((options: ListOptions) =>
      withPool(options, async (pool) => {
        const seen = new Map<string, string>();
        let stopped = false;
        process.once('SIGINT', () => {
          stopped = true;
        });
        for (let first = true; !stopped; first = false) {
          const lines = await listMessages(
            pool,
            { since: new Date(Date.now() - 600_000), ...parseWhere(options.where ?? [], new Date()) },
            { limit: 500 },
          );
          for (const line of lines.toReversed()) {
            const state = `${line.status} ${line.attempts}`;
            if (!first && seen.get(line.id) !== state) {
              if (options.json) printJson(line);
              else print(rowOf(line).join('  '));
            }
            seen.set(line.id, state);
          }
          await sleep(500);
        }
      }),
    );
}

export function whyCommand(): Command {
  return command(
    'why',
    'What happened to a message, and what to do about it',
    'why 01890a5d-ac96-774b-bcce-b302099a8057',
  )
    .argument('<id>', 'id of the message', messageId)
    .action((id: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const message = await showMessage(pool, id);
        if (message === null) return notFound(id);
        const { verdict, remedy, timeline } = explain(message, new Date());
        if (options.json)
          return printJson({ id, status: message.status, reason: message.reason, verdict, remedy, timeline });
        print(`${statusText(message.status)}  ${verdict}`);
        print(
          color(
            'dim',
            `      message ${id}${message.targets.length > 0 ? `, about ${message.targets.join(', ')}` : ''}${message.dedupeKey ? `, dedupe key ${message.dedupeKey}` : ''}\n`,
          ),
        );
        for (const event of timeline)
          print(`${color('dim', event.at.toISOString().replace('T', ' ').slice(0, 23))}  ${event.what}`);
        if (remedy !== null) print(`\n${color('bold', 'What to do:')} ${remedy}`);
      }),
    );
}

function notFound(id: string): never {
  printAside(`no message ${id}; it may have been purged, or its transaction was rolled back`);
  throw new Unsuccessful();
}

function selecting(name: string, description: string, example: string): Command {
  return command(name, description, example)
    .argument('[ids...]', 'ids of messages')
    .option('--where <condition...>', `in place of ids: ${filterHelp}`)
    .option('--yes', 'do not ask');
}

export function retryCommand(): Command {
  return selecting(
    'retry',
    'Deliver again what failed, expired, was inhibited or is held',
    'retry --where status=failed since=2h',
  ).action((ids: string[], options: SelectionOptions) =>
    withPool(options, async (pool) => {
      const selected = await selectIds(pool, { ids, options, verb: 'Retry' });
      const answers = await retryMessages(pool, selected);
      await auditMany(pool, 'retry', { ids, options, count: answers.filter((answer) => answer.retried).length });
      if (options.json) return printJson(answers);
      const stuck = answers.filter((answer) => !answer.retried);
      print(`${answers.length - stuck.length} will be delivered again`);
      for (const answer of stuck.slice(0, 20))
        printAside(
          `${answer.messageId} stays ${answer.status}: ${['pending', 'sending', 'sent', 'cancelled'].includes(answer.status) ? 'there is nothing to retry' : 'its secret labels were wiped'}`,
        );
      if (answers.length < selected.length) printAside(`${selected.length - answers.length} not found`);
      if (answers.length === 0 || stuck.length === answers.length) throw new Unsuccessful();
    }),
  );
}

export function cancelCommand(): Command {
  return selecting('cancel', 'Stop messages that were not sent yet', 'cancel --target workspace-42')
    .option('--dedupe-key <key>', 'the messages with this key')
    .option('--target <id>', 'the messages about this thing')
    .action((ids: string[], options: SelectionOptions & { dedupeKey?: string; target?: string }) =>
      withPool(options, async (pool) => {
        const by =
          options.dedupeKey !== undefined
            ? { dedupeKey: options.dedupeKey }
            : options.target !== undefined
              ? { target: options.target }
              : { ids: await selectIds(pool, { ids, options, verb: 'Cancel' }) };
        const answers = await cancel(pool, by);
        const count = answers.filter(({ answer }) => answer === 'cancelled').length;
        await auditMany(pool, 'cancel', { ids, options, count });
        if (options.json) return printJson(answers);
        printTable(
          ['message', 'answer'],
          answers.map((answer) => [answer.messageId, answer.answer]),
          'no such message',
        );
      }),
    );
}

export function holdCommand(): Command {
  return selecting(
    'hold',
    'Keep pending messages back until they are released',
    'hold --where template=weekly-build-report',
  ).action((ids: string[], options: SelectionOptions) =>
    withPool(options, async (pool) => {
      const held = await holdMessages(pool, await selectIds(pool, { ids, options, verb: 'Hold' }));
      await auditMany(pool, 'hold', { ids, options, count: held });
      if (options.json) return printJson({ held });
      print(`${held} held`);
    }),
  );
}

export function releaseCommand(): Command {
  return selecting('release', 'Deliver messages that are held', 'release --where status=held').action(
    (ids: string[], options: SelectionOptions) =>
      withPool(options, async (pool) => {
        const selected = await selectIds(pool, {
          ids,
          options: { ...options, ...(options.where && { where: [...options.where, 'status=held'] }) },
          verb: 'Release',
        });
        const answers = (await retryMessages(pool, selected)).filter((answer) => answer.retried);
        await auditMany(pool, 'release', { ids, options, count: answers.length });
        if (options.json) return printJson({ released: answers.length });
        print(`${answers.length} released`);
      }),
  );
}

/** One entry for one message, one with the count for many. A condition may name a recipient, so values are left out. */
async function auditMany(
  pool: Pool,
  action: string,
  {
    ids,
    options,
    count,
  }: { readonly ids: readonly string[]; readonly options: SelectionOptions; readonly count: number },
): Promise<void> {
  const where = (options.where ?? [])
    .flatMap((text) => text.trim().split(/\s+/))
    .map((word) => word.split('=')[0] ?? '');
  const [only] = ids;
  await audit(pool, {
    action,
    subject: ids.length === 1 && only !== undefined ? only : null,
    detail: { count, ...(where.length > 0 && { where }) },
  });
}
