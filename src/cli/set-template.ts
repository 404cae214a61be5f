import type { Command } from 'commander';
import type { Pool } from 'pg';
import { setTemplateEnabled, setTemplateMethods } from '../operate/enablement.ts';
import { listTemplates } from '../templates/catalog.ts';
import { suggestion } from '../templates/nearest.ts';
import { collect } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, withPool } from './command.ts';
import { print, printJson, UsageError } from './output.ts';

interface SetOptions extends CommonOptions {
  readonly enable?: boolean;
  readonly disable?: boolean;
  readonly method?: readonly string[];
  readonly ownMethods?: boolean;
}

/** `templates set`: an operator's choices, which a sync never changes. */
export function setCommand(): Command {
  return command(
    'set',
    'Enable or disable a template, or change its methods. Syncing the files never changes these choices',
    {
      example: 'templates set build-failed --method webhook',
      more: [
        ['templates set weekly-build-report --disable', 'its messages become inhibited'],
        ['templates set build-failed --own-methods', "return to the file's methods"],
      ],
    },
  )
    .argument('<template>', 'name of a template in the database')
    .option('--enable', 'enable the template')
    .option('--disable', 'disable the template; its messages become inhibited')
    .option(
      '--method <name>',
      "send by this method instead of the template's and the caller's; repeatable, in order of preference",
      collect,
    )
    .option('--own-methods', "use the template's and the caller's methods again")
    .action(setTemplate);
}

async function setTemplate(name: string, options: SetOptions): Promise<void> {
  const { enable, disable, method, ownMethods } = options;
  if (!enable && !disable && !method && !ownMethods)
    throw new UsageError('nothing to set: give --enable, --disable, --method or --own-methods');
  if (enable && disable) throw new UsageError('give --enable or --disable, not both');
  if (method && ownMethods) throw new UsageError('give --method or --own-methods, not both');
  await withPool(options, async (pool) => {
    if ((enable || disable) && !(await setTemplateEnabled(pool, name, enable === true)))
      throw await noSuchTemplate(pool, name);
    if (method || ownMethods) await setMethods(pool, name, method ?? null);
    const detail = {
      ...(enable && { enabled: true }),
      ...(disable && { enabled: false }),
      ...(method && { methods: method }),
      ...(ownMethods && { ownMethods }),
    };
    await recordCommand(pool, { action: 'templates set', subject: name, detail });
    if (options.json) return printJson({ template: name, stored: true });
    print('stored');
  });
}

async function setMethods(pool: Pool, name: string, methods: readonly string[] | null): Promise<void> {
  const unknown = await setTemplateMethods(pool, name, methods);
  if (unknown === null) throw await noSuchTemplate(pool, name);
  if (unknown.length > 0) throw new UsageError(`no method "${unknown[0]}": see "pg-herald methods list"`);
}

/** An error that suggests the closest name. */
export async function noSuchTemplate(pool: Pool, name: string): Promise<UsageError> {
  const names = (await listTemplates(pool)).map((entry) => entry.name);
  return new UsageError(
    `no template "${name}" in the database: see "pg-herald templates list"${suggestion(name, names)}`,
  );
}
