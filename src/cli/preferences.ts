import type { Command } from 'commander';
import { preferencesOf, setPreference } from '../enqueue/preferences.ts';
import { type CommonOptions, command, commandGroup, methodOption, tableCommand, withPool } from './command.ts';
import { color, print, printJson, printTable, UsageError } from './output.ts';

/** `pg-herald preferences` */
export function preferencesCommand(): Command {
  return commandGroup('preferences', 'Show and change what recipients want to receive', [listCommand(), setCommand()]);
}

function listCommand(): Command {
  return tableCommand('list', 'Show what a recipient receives, and which rule decides it', 'preferences list user-7')
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
}

interface SetOptions extends CommonOptions {
  readonly template?: string;
  readonly group?: string;
  readonly method: string;
  readonly on?: boolean;
  readonly off?: boolean;
  readonly default?: boolean;
}

function setCommand(): Command {
  return command('set', 'Turn notifications on or off for a recipient, or return to the default', {
    example: 'preferences set user-7 --group Workspaces --off',
    more: [
      ['preferences set user-7 --template build-failed --method webhook --on', 'one template by one method'],
      ['preferences set user-7 --group Workspaces --default', 'remove the choice, so that the default applies again'],
    ],
  })
    .argument('<recipient>', "the recipient's id")
    .option('--template <name>', 'only this template')
    .option('--group <name>', 'only this group of templates')
    .addOption(methodOption('only this method').default('*', 'all'))
    .option('--on', 'turn on')
    .option('--off', 'turn off')
    .option('--default', 'remove the choice, so that the default applies again')
    .action(setRecipientPreference);
}

async function setRecipientPreference(recipientId: string, options: SetOptions): Promise<void> {
  const { template, group, method, on, off } = options;
  await withPool(options, async (pool) => {
    if ([on, off, options.default].filter(Boolean).length !== 1)
      throw new UsageError('give exactly one of --on, --off and --default');
    if (template !== undefined && group !== undefined)
      throw new UsageError('give --template or --group, not both; without either, the choice is for everything');
    const choice = {
      recipientId,
      ...(template !== undefined && { template }),
      ...(group !== undefined && { group }),
      method,
      enabled: options.default ? null : on === true,
    };
    await setPreference(pool, choice, 'operator');
    if (options.json) return printJson(await preferencesOf(pool, recipientId));
    print('stored');
  });
}
