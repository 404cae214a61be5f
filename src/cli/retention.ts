import type { Command } from 'commander';
import { readRetention, type RetentionPolicy, setRetention } from '../operate/retention.ts';
import { duration } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, commandGroup, tableCommand, withPool } from './command.ts';
import { readOperator } from './config.ts';
import { printJson, printTable, UsageError } from './output.ts';

const dayMs = 86_400_000;

interface SetOptions extends CommonOptions {
  readonly group: string;
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
    (options: CommonOptions) => withPool(options, async (pool) => printPolicy(await readRetention(pool), options)),
  );
}

function setCommand(): Command {
  return tableCommand('set', 'Set how long settled messages are kept. Workers delete older ones', {
    example: 'retention set --keep 90d',
    more: [['retention set --group Billing --forever', 'except those of one group']],
    seeAlso: ['purge'],
  })
    .option('--group <name>', 'group of templates; default all groups without a rule of their own', '*')
    .option('--keep <duration>', 'how long settled messages are kept, for example 90d', duration)
    .option('--forever', 'never delete')
    .option('--default', "remove the group's own rule")
    .action((options: SetOptions) =>
      withPool(options, async (pool) => {
        const { group } = options;
        const days = daysOf(options);
        const policy = await setRetention(pool, { group, days, by: readOperator() });
        const detail = days === undefined ? { default: true } : { keep: days === null ? 'forever' : `${days} days` };
        await recordCommand(pool, { action: 'retention set', subject: group, detail });
        printPolicy(policy, options);
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

function printPolicy(policy: RetentionPolicy, options: CommonOptions): void {
  if (options.json) return printJson(policy);
  printTable(
    ['group', 'kept for'],
    Object.entries(policy).map(([group, days]) => [
      group === '*' ? 'all others' : group,
      days === null ? 'forever' : `${days} days`,
    ]),
    'everything is kept forever',
  );
}
