import type { Command } from 'commander';
import { erase } from '../operate/erase.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, withPool } from './command.ts';
import { CommandFailed, countText, plural, print, printJson, UsageError } from './output.ts';
import { confirm } from './prompt.ts';

interface EraseOptions extends CommonOptions {
  readonly address?: string;
  readonly yes?: boolean;
}

/** `pg-herald erase` */
export function eraseCommand(): Command {
  return command('erase', 'Erase a person from all messages. Counts stay', {
    example: 'erase user-7',
    more: [['erase --address ada@example.com --yes', 'by address']],
    notes: [
      'Pending messages are cancelled. Messages in flight are not erased, and the exit code is then 1. ' +
        'Preferences of the person are deleted as well; by id, their endpoints too. Of a suppressed address a ' +
        'keyed hash is left, so that nothing is sent to it again. An address that is the contact of another ' +
        'endpoint stays in its settings.',
    ],
    seeAlso: ['retention set'],
  })
    .argument('[recipient]', "the recipient's id")
    .option('--address <address>', 'erase everything that went to this address, instead of an id')
    .option('--yes', 'do not ask for confirmation')
    .action(eraseSelected);
}

async function eraseSelected(recipientId: string | undefined, options: EraseOptions): Promise<void> {
  await withPool(options, async (pool) => {
    const { address } = options;
    if ((recipientId === undefined) === (address === undefined))
      throw new UsageError("give either the recipient's id or --address");
    await confirm({ verb: 'erase', object: 'this person permanently, and cancel their pending messages' }, options);
    const report = await erase(pool, address === undefined ? { recipientId: recipientId ?? '' } : { address });
    // Neither id nor address: the audit log would keep what was to be erased.
    const by = address === undefined ? 'recipient' : 'address';
    await recordCommand(pool, { action: 'erase', subject: null, detail: { by, ...report } });
    if (options.json) printJson(report);
    else print(`${plural(report.erased, 'message')} erased, ${countText(report.cancelled)} of them cancelled`);
    if (report.inFlight === 0) return;
    const remedy = 'run the command again when the attempts have ended';
    throw new CommandFailed(`${plural(report.inFlight, 'message')} in flight: ${remedy}`);
  });
}
