import type { Command } from 'commander';
import { purge } from '../operate/purge.ts';
import { duration } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, withPool } from './command.ts';
import { countText, plural, print, printJson, timeText } from './output.ts';
import { startProgress } from './progress.ts';
import { confirm } from './prompt.ts';

interface PurgeCommandOptions extends CommonOptions {
  readonly olderThan: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** `pg-herald purge` */
export function purgeCommand(): Command {
  return command('purge', 'Delete old settled messages and their attempts', {
    example: 'purge --older-than 90d',
    more: [
      ['purge --older-than 90d --dry-run', 'only count the messages'],
      ['purge --older-than 90d --yes', 'from cron'],
    ],
    notes: ['It deletes in small batches. You can stop it and run it again at any time.'],
    seeAlso: ['retention set'],
  })
    .requiredOption(
      '--older-than <duration>',
      'delete what was settled longer ago than this, for example 90d',
      duration,
    )
    .option('--dry-run', 'only count the messages')
    .option('--yes', 'do not ask for confirmation')
    .action((options: PurgeCommandOptions) =>
      withPool(options, async (pool) => {
        const before = new Date(Date.now() - options.olderThan);
        const matching = await purge(pool, { before, dryRun: true });
        if (options.dryRun || matching === 0)
          return options.json ? printJson({ deleted: 0, matching }) : print(untouchedText(matching));
        const object = `${plural(matching, 'message')} that were settled before ${timeText(before)} UTC`;
        await confirm({ verb: 'delete', object }, options);
        const progress = startProgress('deleted', matching);
        const deleted = await purge(pool, { before, onProgress: progress.at }).finally(progress.end);
        const detail = { before: before.toISOString(), deleted };
        await recordCommand(pool, { action: 'purge', subject: null, detail });
        if (options.json) return printJson({ deleted, matching });
        print(`${countText(deleted)} deleted`);
      }),
    );
}

function untouchedText(matching: number): string {
  return matching === 0 ? 'nothing to delete' : `${plural(matching, 'message')} would be deleted`;
}
