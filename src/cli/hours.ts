import type { Command } from 'commander';
import { type OpenWindow, quietHoursOf, setQuietHours } from '../enqueue/quiet-hours.ts';
import { listQuietHours, parseWindow, setMethodQuietHours, windowText } from '../operate/quiet-hours.ts';
import { instant } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, commandGroup, methodArgument, tableCommand, withPool } from './command.ts';
import { print, printJson, printTable, timeText, UsageError } from './output.ts';

/** `pg-herald hours` */
export function hoursCommand(): Command {
  return commandGroup('hours', 'Show and set the hours in which messages may reach people; at other times they wait', [
    listCommand(),
    showCommand(),
    setCommand(),
    removeCommand(),
    methodCommand(),
  ]);
}

interface Subject {
  readonly recipient?: string;
  readonly tenant?: string;
  readonly all?: boolean;
}

const withSubject = (made: Command) =>
  made
    .option('--recipient <id>', 'of this recipient')
    .option('--tenant <id>', 'of the recipients of this tenant')
    .option('--all', 'of everybody');

/** @throws {UsageError} unless exactly one is given. */
function subjectOf({ recipient, tenant, all }: Subject): { recipientId?: string; tenant?: string } {
  if ([recipient, tenant, all].filter((each) => each !== undefined).length !== 1)
    throw new UsageError('give exactly one of --recipient, --tenant and --all');
  return { ...(recipient !== undefined && { recipientId: recipient }), ...(tenant !== undefined && { tenant }) };
}

function listCommand(): Command {
  return tableCommand('list', 'List the hours that are set', {
    example: 'hours list',
    seeAlso: ['hours show', 'status'],
  }).action((options: CommonOptions) =>
    withPool(options, async (pool) => {
      const rows = await listQuietHours(pool);
      if (options.json) return printJson(rows);
      printTable(
        ['of', 'open', 'time zone', 'set (UTC)'],
        rows.map(({ scope, subject, windows, timeZone, updatedAt }) => [
          scope === 'all' ? 'all' : `${scope} ${subject}`,
          windows.map(windowText).join('; '),
          timeZone ?? "the recipient's",
          timeText(updatedAt),
        ]),
        'none: messages are sent at any time',
      );
    }),
  );
}

interface ShowOptions extends CommonOptions {
  readonly tenant?: string;
  readonly timeZone?: string;
  readonly at?: Date;
}

function showCommand(): Command {
  return command('show', 'Show whose hours apply to a recipient, and when they may be reached next', {
    example: 'hours show user-7 --time-zone Europe/Vienna',
    seeAlso: ['why', 'preferences list'],
  })
    .argument('<recipient>', "the recipient's id")
    .option('--tenant <id>', 'tenant of the notification')
    .option('--time-zone <name>', 'time zone that the notification gives the recipient')
    .option('--at <time>', 'at this time instead of now, for example 2026-11-24T22:30:00Z', instant)
    .action((recipientId: string, options: ShowOptions) =>
      withPool(options, async (pool) => {
        const { tenant, timeZone, at } = options;
        const hours = await quietHoursOf(pool, {
          recipientId,
          ...(tenant !== undefined && { tenant }),
          ...(timeZone !== undefined && { timeZone }),
          ...(at !== undefined && { at }),
        });
        if (options.json) return printJson(hours);
        if (hours.windows === null) return print('no hours: messages are sent at any time');
        const whose = hours.scope === 'all' ? 'for all' : `of the ${hours.scope}`;
        print(`open ${hours.windows.map(windowText).join('; ')} ${hours.timeZone} (${whose})`);
        print(hours.opensAt > (at ?? new Date()) ? `closed until ${timeText(hours.opensAt)} UTC` : 'open');
      }),
    );
}

function setCommand(): Command {
  const made = command('set', 'Set when messages may be sent: at any other time they wait', {
    example: "hours set --all --time-zone Europe/Berlin 'mon-fri 08:00-20:00' 'sat,sun 10:00-18:00'",
    more: [
      ['hours set --recipient user-7 22:00-06:00', 'for somebody who works at night'],
      ['hours set --recipient user-7 always', 'at any time, whatever applies to the others'],
    ],
    notes: [
      'Messages that wait already follow the change. Mandatory templates, urgent messages, the inbox and webhooks ' +
        'do not wait.',
    ],
    seeAlso: ['hours show', 'hours remove'],
  }).argument('<window...>', 'days and times such as "mon-fri 08:00-20:00", only times for every day, or always');
  return withSubject(made)
    .option('--time-zone <name>', "the time zone; default the recipient's")
    .action((windows: readonly string[], options: CommonOptions & Subject & { readonly timeZone?: string }) =>
      withPool(options, async (pool) => {
        const subject = subjectOf(options);
        const { timeZone } = options;
        const parsed = windows.map(windowOf);
        await setQuietHours(pool, { ...subject, windows: parsed, ...(timeZone !== undefined && { timeZone }) });
        await record(pool, 'hours set', options);
        if (options.json) return printJson({ ...subject, windows: parsed, timeZone: timeZone ?? null });
        print('stored');
      }),
    );
}

/** The recipient's id may be an address, so it is not recorded. */
async function record(pool: Parameters<typeof recordCommand>[0], action: string, { tenant, all }: Subject) {
  await recordCommand(pool, { action, subject: all ? 'all' : (tenant ?? 'a recipient') });
}

function windowOf(text: string): OpenWindow {
  const window = parseWindow(text);
  if (window !== null) return window;
  throw new UsageError(`invalid hours "${text}": expected for example "mon-fri 08:00-20:00", 08:00-20:00 or always`);
}

function removeCommand(): Command {
  return withSubject(
    command('remove', 'Remove hours, so that those of the tenant or for all apply', 'hours remove --recipient user-7'),
  ).action((options: CommonOptions & Subject) =>
    withPool(options, async (pool) => {
      const subject = subjectOf(options);
      await setQuietHours(pool, { ...subject, windows: null });
      await record(pool, 'hours remove', options);
      if (options.json) return printJson({ ...subject, windows: null });
      print('removed');
    }),
  );
}

function methodCommand(): Command {
  return command('method', 'Say whether the messages of a method wait for quiet hours to end', {
    example: 'hours method webhook --wait',
    notes: ['At first those of every method wait, except inbox and webhook.'],
    seeAlso: ['methods list'],
  })
    .addArgument(methodArgument())
    .option('--wait', 'they wait')
    .option('--pass', 'they are sent at any time')
    .action((method: string, options: CommonOptions & { readonly wait?: boolean; readonly pass?: boolean }) =>
      withPool(options, async (pool) => {
        if (options.wait === options.pass) throw new UsageError('give exactly one of --wait and --pass');
        const quietHours = options.wait === true;
        if (!(await setMethodQuietHours(pool, method, quietHours)))
          throw new UsageError(`no method "${method}": see "pg-herald methods list"`);
        await recordCommand(pool, { action: `hours method ${quietHours ? '--wait' : '--pass'}`, subject: method });
        if (options.json) return printJson({ method, quietHours });
        print(quietHours ? `${method} waits for quiet hours to end` : `${method} is sent at any time`);
      }),
    );
}
