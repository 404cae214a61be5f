import { Command } from 'commander';
import { setTemplateMethods, setMethodEnabled, setTemplateEnabled } from '../operate/enablement.ts';
import { readStatus } from '../operate/status.ts';
import { audit } from './audit.ts';
import { type CommonOptions, collect, command, listing, withPool } from './command.ts';
import { color, print, printJson, printTable, UsageError } from './output.ts';

interface SetOptions extends CommonOptions {
  readonly enable?: boolean;
  readonly disable?: boolean;
  readonly method?: readonly string[];
  readonly ownMethods?: boolean;
}

/** `templates set`: an operator's choices, which a sync never changes. */
export function templateSetCommand(): Command {
  return command(
    'set',
    "An operator's choices for a template; syncing the files never changes them",
    'templates set build-failed --method webhook',
  )
    .argument('<template>', 'name of a template in the database')
    .option('--enable', 'use it')
    .option('--disable', 'inhibit its messages')
    .option(
      '--method <name>',
      "travel by this method in place of the template's and the callers'; repeatable, in order of preference",
      collect,
    )
    .option('--own-methods', "go back to the template's and the callers' methods")
    .action((name: string, options: SetOptions) =>
      withPool(options, async (pool) => {
        const { enable, disable, method, ownMethods } = options;
        if (!enable && !disable && !method && !ownMethods)
          throw new UsageError('give --enable, --disable, --method or --own-methods');
        if ((enable && disable) || (method && ownMethods)) throw new UsageError('these options contradict each other');
        if ((enable || disable) && !(await setTemplateEnabled(pool, name, enable === true))) throw noTemplate(name);
        if (method || ownMethods) {
          const unknown = await setTemplateMethods(pool, name, method ?? null);
          if (unknown === null) throw noTemplate(name);
          if (unknown.length > 0) throw new UsageError(`no method "${unknown[0]}"; see "pg-herald methods list"`);
        }
        const detail = {
          ...(enable && { enabled: true }),
          ...(disable && { enabled: false }),
          ...(method && { methods: method }),
          ...(ownMethods && { ownMethods }),
        };
        await audit(pool, { action: 'templates set', subject: name, detail });
        if (options.json) return printJson({ template: name, stored: true });
        print('stored');
      }),
    );
}

export function noTemplate(name: string): UsageError {
  return new UsageError(`no template "${name}" in the database; see "pg-herald templates list"`);
}

export function methodsCommand(): Command {
  const list = listing('list', 'The delivery methods and their switches', 'methods list').action(
    (options: CommonOptions) =>
      withPool(options, async (pool) => {
        const { methods } = await readStatus(pool);
        if (options.json) return printJson(methods.map(({ method, enabled }) => ({ method, enabled })));
        printTable(
          ['method', 'in use'],
          methods.map((m) => [m.method, m.enabled ? color('green', 'yes') : color('red', 'no')]),
          'none; run "pg-herald migrate"',
        );
      }),
  );
  const turn = (name: 'enable' | 'disable', description: string) =>
    command(name, description, `methods ${name} webhook`)
      .argument('<method>', 'name of a method')
      .action((method: string, options: CommonOptions) =>
        withPool(options, async (pool) => {
          if (!(await setMethodEnabled(pool, method, name === 'enable')))
            throw new UsageError(`no method "${method}"; see "pg-herald methods list"`);
          await audit(pool, { action: `methods ${name}`, subject: method });
          if (options.json) return printJson({ method, enabled: name === 'enable' });
          print(`${method} is ${name}d`);
        }),
      );
  return new Command('methods')
    .description('Delivery methods: which are in use. To hold one back without losing anything, pause it instead')
    .addCommand(list)
    .addCommand(turn('enable', 'Use a method'))
    .addCommand(turn('disable', 'Inhibit everything that would travel by a method'));
}
