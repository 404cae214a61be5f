import { Command } from 'commander';
import { readOperator } from './config.ts';
import { preferencesOf, setPreference } from '../enqueue/preferences.ts';
import { pauseMethod, listPauses, resumeMethod } from '../operate/pause.ts';
import { purge } from '../operate/purge.ts';
import type { SenderState } from '../operate/senders.ts';
import { type ReadOnly, readStatus } from '../operate/status.ts';
import { listSuppressions, suppress, unsuppress } from '../operate/suppressions.ts';
import { audit } from './audit.ts';
import { type CommonOptions, command, confirm, duration, listing, withPool } from './command.ts';
import {
  color,
  print,
  printAside,
  printJson,
  printTable,
  printWrapped,
  terminalWidth,
  timeText,
  Unsuccessful,
  UsageError,
} from './output.ts';
import { startProgress } from './progress.ts';

export function statusCommand(): Command {
  return listing('status', 'Whether mail flows: backlog, age, failures and pauses by method', 'status').action(
    (options: CommonOptions) =>
      withPool(options, async (pool) => {
        const status = await readStatus(pool);
        if (options.json) return printJson(status);
        printTable(
          ['method', 'pending', 'sending', 'held', 'oldest due', 'sent 1h', 'failed 1h'],
          status.methods.map((m) => [
            m.method,
            String(m.pending),
            String(m.sending),
            String(m.held),
            m.oldestDueSeconds < 1 ? '-' : ageText(m.oldestDueSeconds),
            String(m.sentLastHour),
            String(m.failedLastHour),
          ]),
          'no methods; run "pg-herald migrate"',
        );
        print(`\n${status.workers} ${status.workers === 1 ? 'worker' : 'workers'} connected`);
        if (status.readOnly !== null) printWrapped(color('red', readOnlyTexts[status.readOnly]));
        for (const state of status.pauses)
          printWrapped(
            color(
              'yellow',
              `${state.method === '*' ? 'everything' : state.method} is paused since ${timeText(state.since)} UTC by ${state.by ?? '?'}: ${[state.kind === 'fault' ? 'the method is at fault' : '', state.reason, state.detail].filter(Boolean).join(', ')}${state.probeAt ? `; next probe ${timeText(state.probeAt)}` : ''}`,
            ),
          );
        for (const sender of status.senders) printWrapped(color('yellow', senderText(sender)));
      }),
  );
}

const readOnlyTexts: Readonly<Record<ReadOnly, string>> = {
  standby:
    'the database is read-only, a standby: nothing is enqueued or delivered here until it is promoted, or the connection leads to the primary',
  setting:
    'the database is read-only (default_transaction_read_only): nothing is enqueued or delivered until that is switched off',
};

function senderText({ method, name, pausedSince, reason, detail, probeAt, maxConnections }: SenderState): string {
  const rests = pausedSince === null ? [] : [`rests since ${timeText(pausedSince)} UTC: ${reason}, ${detail}`];
  const probe = pausedSince !== null && probeAt !== null ? [`next probe from ${timeText(probeAt)} on`] : [];
  const fewer = maxConnections === null ? [] : [`its server allows ${maxConnections} connections for each worker`];
  return `${method} sender ${name}: ${[...rests, ...probe, ...fewer].join('; ')}`;
}

/** For people in the largest units that matter; in a pipe in seconds. */
function ageText(seconds: number): string {
  if (terminalWidth() === undefined || seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

export function pauseCommand(): Command {
  return command('pause', 'Hold one method, or all of them; nothing is lost', 'pause smtp --why "relay is being moved"')
    .argument('[method]', 'name of a method; all without it', '*')
    .requiredOption('--why <text>', 'for the others, and for "pg-herald why"')
    .action((method: string, options: CommonOptions & { why: string }) =>
      withPool(options, async (pool) => {
        if (!(await pauseMethod(pool, { method, by: readOperator(), why: options.why })))
          throw new UsageError(`no method "${method}"; see "pg-herald status"`);
        await audit(pool, { action: 'pause', subject: method, why: options.why });
        if (options.json) return printJson(await listPauses(pool));
        print(
          `${method === '*' ? 'everything' : method} is paused; "pg-herald resume${method === '*' ? '' : ` ${method}`}" ends it`,
        );
      }),
    );
}

export function resumeCommand(): Command {
  return command('resume', 'End a pause', 'resume smtp')
    .argument('[method]', 'name of a method; all without it', '*')
    .action((method: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const resumed = await resumeMethod(pool, { method });
        for (const name of resumed) await audit(pool, { action: 'resume', subject: name });
        if (options.json) return printJson({ resumed });
        print(
          resumed.length > 0
            ? `resumed ${resumed.map((name) => (name === '*' ? 'everything' : name)).join(', ')}`
            : 'nothing was paused',
        );
      }),
    );
}

export function preferencesCommand(): Command {
  const list = listing('list', 'What a recipient gets at present, and which rule decides it', 'preferences list user-7')
    .argument('<recipient>', "the recipient's id")
    .action((recipient: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        const rows = await preferencesOf(pool, recipient);
        if (options.json) return printJson(rows);
        printTable(
          ['group', 'template', 'method', 'gets it', 'decided by'],
          rows.map((row) => [
            row.group,
            row.template,
            row.method,
            row.enabled ? color('green', 'yes') : color('red', 'no'),
            row.decidedBy,
          ]),
          'no templates yet',
        );
      }),
    );
  const set = command(
    'set',
    'Switch on or off for a recipient, or back to the default',
    'preferences set user-7 --group Workspaces --off',
  )
    .argument('<recipient>', "the recipient's id")
    .option('--template <name>', 'for one template')
    .option('--group <name>', 'for a group of templates')
    .option('--method <name>', 'for one method only', '*')
    .option('--on', 'switch on')
    .option('--off', 'switch off')
    .option('--default', 'remove the choice')
    .action(
      (
        recipientId: string,
        options: CommonOptions & {
          template?: string;
          group?: string;
          method: string;
          on?: boolean;
          off?: boolean;
          default?: boolean;
        },
      ) =>
        withPool(options, async (pool) => {
          if ([options.on, options.off, options.default].filter(Boolean).length !== 1)
            throw new UsageError('give one of --on, --off and --default');
          if (options.template !== undefined && options.group !== undefined)
            throw new UsageError('give --template or --group, not both; neither means everything');
          const { template, group, method } = options;
          await setPreference(pool, {
            recipientId,
            ...(template !== undefined && { template }),
            ...(group !== undefined && { group }),
            method,
            enabled: options.default ? null : options.on === true,
          });
          if (options.json) return printJson(await preferencesOf(pool, recipientId));
          print('stored');
        }),
    );
  return new Command('preferences').description('What recipients want').addCommand(list).addCommand(set);
}

export function suppressionsCommand(): Command {
  const list = listing('list', 'Addresses that are not used any more', 'suppressions list').action(
    (options: CommonOptions) =>
      withPool(options, async (pool) => {
        const rows = await listSuppressions(pool);
        if (options.json) return printJson(rows);
        printTable(
          ['method', 'address', 'reason', 'since (UTC)'],
          rows.map((row) => [
            row.method,
            row.address,
            row.reason,
            row.suppressedAt ? timeText(row.suppressedAt) : `not yet (${row.hits})`,
          ]),
          'none',
        );
      }),
  );
  const add = command(
    'add',
    'Do not use an address any more',
    'suppressions add smtp ada@example.com --reason "left the company"',
  )
    .argument('<method>', 'name of a method')
    .argument('<address>', 'the address')
    .option('--reason <text>', 'why', 'operator')
    .action((method: string, address: string, options: CommonOptions & { reason: string }) =>
      withPool(options, async (pool) => {
        await suppress(pool, { method, address, reason: options.reason });
        await audit(pool, { action: 'suppressions add', subject: method, why: options.reason });
        print('suppressed');
      }),
    );
  const remove = command('remove', 'Use an address again', 'suppressions remove smtp ada@example.com')
    .argument('<method>', 'name of a method')
    .argument('<address>', 'the address')
    .action((method: string, address: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        if (await unsuppress(pool, { method, address })) {
          await audit(pool, { action: 'suppressions remove', subject: method });
          return print('removed');
        }
        printAside('this address was not suppressed');
        throw new Unsuccessful();
      }),
    );
  return new Command('suppressions')
    .description('Addresses that a method must not use')
    .addCommand(list)
    .addCommand(add)
    .addCommand(remove);
}

export function purgeCommand(): Command {
  return command('purge', 'Delete settled messages and their attempts', 'purge --older-than 90d')
    .requiredOption('--older-than <duration>', 'settled longer ago than this, for example 90d', duration)
    .option('--dry-run', 'count only')
    .option('--yes', 'do not ask')
    .action((options: CommonOptions & { olderThan: number; dryRun?: boolean; yes?: boolean }) =>
      withPool(options, async (pool) => {
        const before = new Date(Date.now() - options.olderThan);
        const count = await purge(pool, { before, dryRun: true });
        if (options.dryRun || count === 0)
          return options.json ? printJson({ deleted: 0, matching: count }) : print(`${count} would be deleted`);
        await confirm(`Delete ${count} messages that were settled before ${timeText(before)} UTC?`, options);
        const progress = startProgress('deleted', count);
        const deleted = await purge(pool, { before, onProgress: progress.at }).finally(progress.end);
        await audit(pool, { action: 'purge', subject: null, detail: { before: before.toISOString(), deleted } });
        if (options.json) return printJson({ deleted, matching: count });
        print(`${deleted} deleted`);
      }),
    );
}
