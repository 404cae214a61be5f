/** How long messages are kept, and what of a person is not kept at all. */
import { Command } from 'commander';
import { readOperator } from './config.ts';
import { erase } from '../operate/erase.ts';
import { readRetention, type RetentionPolicy, setRetention } from '../operate/retention.ts';
import { audit } from './audit.ts';
import { type CommonOptions, command, confirm, duration, listing, withPool } from './command.ts';
import { print, printAside, printJson, printTable, Unsuccessful, UsageError } from './output.ts';

const dayMs = 86_400_000;

interface SetOptions extends CommonOptions {
  readonly group: string;
  readonly keep?: number;
  readonly forever?: boolean;
  readonly default?: boolean;
}

export function retentionCommand(): Command {
  const list = listing('list', 'How long settled messages are kept', 'retention list').action(
    (options: CommonOptions) => withPool(options, async (pool) => show(await readRetention(pool), options)),
  );
  const set = listing('set', 'Let workers delete what is settled and older', 'retention set --keep 90d')
    .option('--group <name>', 'a group of templates; all others without it', '*')
    .option('--keep <duration>', 'settled messages are kept for so long, for example 90d', duration)
    .option('--forever', 'nothing of it is deleted')
    .option('--default', "take the group's own rule away")
    .action((options: SetOptions) =>
      withPool(options, async (pool) => {
        const { group, keep, forever } = options;
        if ([keep !== undefined, forever, options.default].filter(Boolean).length !== 1)
          throw new UsageError('give one of --keep, --forever and --default');
        if (keep !== undefined && keep < dayMs) throw new UsageError('--keep takes a day or more, for example 90d');
        const days = keep === undefined ? (forever ? null : undefined) : keep / dayMs;
        const policy = await setRetention(pool, { group, days, by: readOperator() });
        const detail = days === undefined ? { default: true } : { keep: days === null ? 'forever' : `${days} days` };
        await audit(pool, { action: 'retention set', subject: group, detail });
        show(policy, options);
      }),
    );
  return new Command('retention')
    .description('How long settled messages are kept; workers delete what is older')
    .addCommand(list)
    .addCommand(set);
}

function show(policy: RetentionPolicy, options: CommonOptions): void {
  if (options.json) return printJson(policy);
  printTable(
    ['group', 'kept for'],
    Object.entries(policy).map(([group, days]) => [
      group === '*' ? 'all others' : group,
      days === null ? 'ever' : `${days} days`,
    ]),
    'everything is kept for ever',
  );
}

export function eraseCommand(): Command {
  return command('erase', 'Take a person out of all messages; counts stay', 'erase user-7')
    .argument('[recipient]', "the recipient's id")
    .option('--address <address>', 'in place of the id: everything that went to this address')
    .option('--yes', 'do not ask')
    .action((recipientId: string | undefined, options: CommonOptions & { address?: string; yes?: boolean }) =>
      withPool(options, async (pool) => {
        const { address } = options;
        if ((recipientId === undefined) === (address === undefined))
          throw new UsageError("give the recipient's id, or --address");
        await confirm('Erase this person for good, and cancel what waits for them?', options);
        const person = address === undefined ? { recipientId: recipientId ?? '' } : { address };
        const report = await erase(pool, person);
        // Neither id nor address: the record would keep what was to go.
        await audit(pool, {
          action: 'erase',
          subject: null,
          detail: { by: address === undefined ? 'recipient' : 'address', ...report },
        });
        if (options.json) printJson(report);
        else print(`${report.erased} messages erased, ${report.cancelled} of them cancelled`);
        if (report.inFlight === 0) return;
        printAside(`${report.inFlight} are on their way; run it again when they have ended`);
        throw new Unsuccessful();
      }),
    );
}
