import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { MessageLine } from '../operate/messages.ts';
import { watchMessages } from '../operate/watch-messages.ts';
import { type CommonOptions, tableCommand, withPool } from './command.ts';
import { print, printJsonLine, statusText, terminalWidth, timeText, withoutBreaks } from './output.ts';
import { untilSignal } from './signals.ts';
import { shortened } from './table.ts';
import { parseWhere, whereOption } from './where.ts';

const pollMs = 500;

/** `pg-herald messages tail` */
export function tailCommand(): Command {
  return tableCommand('tail', 'Print messages as they change, until Ctrl-C', {
    example: 'messages tail --where template=password-reset',
    more: [['messages tail --where method=webhook', 'one method']],
    notes: [
      'Prints a line for each change: messages that are enqueued, tried, settled, retried or due, however old ' +
        'they are. Above some hundred changes a second it prints only part of them.',
      'In a pipe each line is a JSON object.',
    ],
    seeAlso: ['messages list'],
  })
    .addOption(whereOption())
    .action((options: CommonOptions & { where?: readonly string[] }) =>
      withPool(options, async (pool) => {
        const stop = new AbortController();
        void untilSignal().then(() => stop.abort());
        const watch = watchMessages(pool, parseWhere(options.where ?? [], new Date()));
        while (!stop.signal.aborted) {
          for (const line of await watch.poll()) {
            if (options.json) printJsonLine(line);
            else print(lineText(line, new Date()));
          }
          await sleep(pollMs, undefined, { signal: stop.signal }).catch(() => undefined);
        }
      }),
    );
}

/** In a terminal one line, cut to fit; elsewhere nothing is cut. */
function lineText(line: MessageLine, now: Date): string {
  const { id, createdAt, template, version, method, recipientId, status, reason, attempts } = line;
  const state = `${statusText(status)}${reason && reason !== status ? ` ${reason}` : ''}`;
  const width = terminalWidth();
  if (width === undefined) {
    const cells = [id, timeText(createdAt), `${template} v${version}`, method, recipientId, state, String(attempts)];
    return cells.map(withoutBreaks).join('  ');
  }
  const time = timeText(now).slice(11);
  const text = shortened(
    withoutBreaks(`${state} ${recipientId} ${template} ${method}`),
    width - time.length - id.length - 4,
  );
  return `${time}  ${text}  ${id}`;
}
