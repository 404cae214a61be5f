import type { Command } from 'commander';
import {
  readInboxRetention,
  readRetention,
  type RetentionPolicy,
  setInboxRetention,
  setRetention,
} from '../operate/retention.ts';
import { duration } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, commandGroup, tableCommand, withPool } from './command.ts';
import { readOperator } from './config.ts';
import { printJson, printTable, UsageError } from './output.ts';

const dayMs = 86_400_000;

interface SetOptions extends CommonOptions {
  readonly group: string;
  readonly inbox?: boolean;
  readonly keep?: number;
  readonly forever?: boolean;
  readonly default?: boolean;
}

/** `pg-herald retention` */
export function retentionCommand(): Command {
  return commandGroup('retention', 'Show and set how long settled messages are kept. Workers delete older ones', [
    listCommand(),
    setCommand(),
  ]);
}

function listCommand(): Command {
  return tableCommand('list', 'Show how long settled messages are kept', 'retention list').action(
    (options: CommonOptions) =>
      withPool(options, async (pool) =>
        printPolicy(await readRetention(pool), await readInboxRetention(pool), options),
      ),
  );
}

function setCommand(): Command {
  return tableCommand('set', 'Set how long settled messages are kept. Workers delete older ones', {
    example: 'retention set --keep 90d',
    more: [
      ['retention set --group Billing --forever', 'except those of one group'],
      ['retention set --inbox --keep 30d', 'the items of inboxes, whose messages stay; 90 days without a rule'],
    ],
    seeAlso: ['purge'],
  })
    .option('--group <name>', 'group of templates; default all groups without a rule of their own', '*')
    .option('--inbox', 'the items of inboxes instead of messages')
    .option('--keep <duration>', 'how long settled messages are kept, for example 90d', duration)
    .option('--forever', 'never delete')
    .option('--default', "remove the group's own rule")
    .action((options: SetOptions) =>
      withPool(options, async (pool) => {
        const days = daysOf(options);
        if (options.inbox && options.group !== '*') throw new UsageError('give --inbox or --group, not both');
        const [group, by] = [options.inbox ? 'inbox' : options.group, readOperator()];
        if (options.inbox) await setInboxRetention(pool, { days, by });
        else await setRetention(pool, { group, days, by });
        const detail = days === undefined ? { default: true } : { keep: days === null ? 'forever' : `${days} days` };
        await recordCommand(pool, {
          action: options.inbox ? 'retention set inbox' : 'retention set',
          subject: group,
          detail,
        });
        printPolicy(await readRetention(pool), await readInboxRetention(pool), options);
      }),
    );
}

/** Null is forever; undefined removes the rule. */
function daysOf({ keep, forever, default: remove }: SetOptions): number | null | undefined {
  if ([keep !== undefined, forever, remove].filter(Boolean).length !== 1)
    throw new UsageError('give exactly one of --keep, --forever and --default');
  if (keep === undefined) return forever ? null : undefined;
  if (keep < dayMs) throw new UsageError('--keep is too short: expected a day or more, for example 90d');
  return keep / dayMs;
}

function printPolicy(policy: RetentionPolicy, inboxDays: number | null, options: CommonOptions): void {
  if (options.json) return printJson({ groups: policy, inbox: inboxDays });
  const daysText = (days: number | null) => (days === null ? 'forever' : `${days} days`);
  printTable(
    ['what', 'kept for'],
    [
      ...Object.entries(policy)
        .filter(([group]) => group !== '*')
        .map(([group, days]) => [`messages of ${group}`, daysText(days)]),
      [policyHasGroups(policy) ? 'all other messages' : 'messages', daysText(policy['*'] ?? null)],
      ['items of inboxes', daysText(inboxDays)],
    ],
    '',
  );
}

function policyHasGroups(policy: RetentionPolicy): boolean {
  return Object.keys(policy).some((group) => group !== '*');
}
