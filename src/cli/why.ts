import type { Command } from 'commander';
import type { Pool } from 'pg';
import { listMessages, type MessageDetails, type MessageLine, showMessage } from '../operate/messages.ts';
import { preferenceAt, preferenceText } from '../operate/preference-history.ts';
import { explain } from '../operate/why.ts';
import { instant } from './arguments.ts';
import { type CommonOptions, command, withPool } from './command.ts';
import { findMessageId, noSuchMessage } from './message-id.ts';
import {
  color,
  print,
  printJson,
  printTable,
  printWrapped,
  statusText,
  timeText,
  UsageError,
  withoutBreaks,
} from './output.ts';

interface WhyOptions extends CommonOptions {
  readonly at?: Date;
}

/** `pg-herald why` */
export function whyCommand(): Command {
  return command('why', 'Explain what happened to a message, and what to do about it', {
    example: 'why 01890a5d-ac96-774b-bcce-b302099a8057',
    more: [
      ['why 01890a5d-ac96-774b', 'by as many characters of the id as name one message'],
      ['why user-7', "the newest message to a recipient, by the application's id"],
      ['why ada@example.com', 'or by the address it went to'],
      ['why user-7 --at 2026-11-24T09:30:00Z', 'and which preference of the recipient applied then'],
    ],
    notes: ['For a recipient, the messages before the newest one are listed below it.'],
    seeAlso: ['messages list', 'retry', 'preferences list', 'suppressions list'],
  })
    .argument(
      '<message>',
      'id of the message or its first characters, or id or address of a recipient: the newest message to them',
    )
    .option('--at <time>', 'tell which preference applied at this time, and who had set it', instant)
    .action((given: string, options: WhyOptions) =>
      withPool(options, async (pool) => {
        const id = await findMessageId(pool, given);
        if (id !== null) return printExplanation(pool, id, options);
        const [newest, ...before] = await messagesTo(pool, given);
        if (newest === undefined)
          throw new UsageError(
            `"${given}" is not a message id, and no message went to such a recipient: see "pg-herald messages list"`,
          );
        await printExplanation(pool, newest.id, options);
        if (!options.json && before.length > 0) printBefore(before);
      }),
    );
}

/** The newest messages to a recipient, by the application's id for them or by address. */
async function messagesTo(pool: Pool, recipient: string): Promise<MessageLine[]> {
  const page = { limit: 6 };
  const byId = await listMessages(pool, { recipientId: recipient }, page);
  return byId.length > 0 ? byId : listMessages(pool, { address: recipient }, page);
}

async function printExplanation(pool: Pool, id: string, options: WhyOptions): Promise<void> {
  const message = await showMessage(pool, id);
  if (message === null) return noSuchMessage(id);
  const { summary, remedy, timeline } = explain(message, new Date());
  const preference = await preferenceOf(pool, message, options.at);
  if (options.json) {
    const { status, reason, quietHours } = message;
    return printJson({ id, status, reason, summary, remedy, timeline, quietHours, ...preference });
  }
  printWrapped(`${statusText(message.status)}  ${withoutBreaks(withoutStatus(summary, message.status))}`, 6);
  const about = message.targets.length > 0 ? `, about ${message.targets.join(', ')}` : '';
  const key = message.dedupeKey ? `, dedupe key ${message.dedupeKey}` : '';
  printWrapped(`${color('dim', `      message ${id}${withoutBreaks(about + key)}`)}\n`, 6);
  for (const event of timeline)
    printWrapped(
      `${color('dim', event.at.toISOString().replace('T', ' ').slice(0, 23))}  ${withoutBreaks(event.what)}`,
      25,
    );
  if (preference !== null) {
    const at = color('bold', `Preference at ${preference.preferenceAt.toISOString()}:`);
    printWrapped(`\n${at} ${withoutBreaks(preferenceText(preference.preference))}`, 12);
  }
  if (remedy !== null) printWrapped(`\n${color('bold', 'What to do:')} ${withoutBreaks(remedy)}`, 12);
}

/** The preference at the time that is asked about, or when it stopped the message; null: neither. */
async function preferenceOf(pool: Pool, message: MessageDetails, asked: Date | undefined) {
  const stopped = message.reason === 'preference' ? message.settledAt : null;
  const at = asked ?? stopped;
  if (at === null) return null;
  return { preferenceAt: at, preference: await preferenceAt(pool, message, at) };
}

/** The status is printed before the summary, which most often begins with it. */
function withoutStatus(summary: string, status: string): string {
  const [word = ''] = summary.split(/[: ]/, 1);
  if (word.toLowerCase() !== status) return summary;
  const rest = summary.slice(word.length).replace(/^[: ]+/, '');
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

function printBefore(lines: readonly MessageLine[]): void {
  print(`\n${color('bold', 'Before it:')}`);
  printTable(
    ['message', 'created (UTC)', 'template', 'method', 'status'],
    lines.map((line) => [
      line.id,
      timeText(line.createdAt),
      line.template,
      line.method,
      `${statusText(line.status)}${line.reason && line.reason !== line.status ? ` ${line.reason}` : ''}`,
    ]),
    '',
    { neverCut: ['message'], dropFirst: ['created (UTC)', 'method'] },
  );
}
