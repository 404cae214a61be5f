import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Pool } from 'pg';
import { watchMessages } from '../operate/watch-messages.ts';
import type { MessageFilter } from '../operate/message-filter.ts';
import type { MessageLine } from '../operate/messages.ts';
import { type CommonOptions, filterHelp, listing, parseWhere, withPool } from './command.ts';
import { print, printJson, statusText, terminalWidth, timeText } from './output.ts';
import { shortened } from './table.ts';

const everyMs = 500;

export function tailCommand(): Command {
  return listing('tail', 'Messages as they change, until Ctrl-C', 'messages tail --where template=password-reset')
    .option('--where <condition...>', filterHelp)
    .action((options: CommonOptions & { where?: readonly string[] }) =>
      withPool(options, async (pool) => {
        const stop = new AbortController();
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
        for await (const line of changes(pool, parseWhere(options.where ?? [], new Date()), stop.signal)) {
          if (options.json) printJson(line);
          else print(lineText(line, new Date()));
        }
      }),
    );
}

/** Each message anew whenever it is another than at the look before. */
async function* changes(pool: Pool, filter: MessageFilter, stop: AbortSignal): AsyncGenerator<MessageLine> {
  const watched = watchMessages(pool, filter);
  while (!stop.aborted) {
    yield* await watched.poll();
    await sleep(everyMs, undefined, { signal: stop }).catch(() => undefined);
  }
}

/** In a terminal one line, cut where it is too narrow; elsewhere nothing is cut. */
function lineText(line: MessageLine, now: Date): string {
  const { id, createdAt, template, version, method, recipientId, status, reason, attempts } = line;
  const state = `${statusText(status)}${reason && reason !== status ? ` ${reason}` : ''}`;
  const width = terminalWidth();
  if (width === undefined)
    return [id, timeText(createdAt), `${template} v${version}`, method, recipientId, state, String(attempts)].join(
      '  ',
    );
  const time = timeText(now).slice(11);
  const text = shortened(`${state} ${recipientId} ${template} ${method}`, width - time.length - id.length - 4);
  return `${time}  ${text}  ${id}`;
}
