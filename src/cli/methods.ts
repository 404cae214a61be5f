import type { Command } from 'commander';
import { setMethodEnabled } from '../operate/enablement.ts';
import { readStatus } from '../operate/status.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, commandGroup, methodArgument, tableCommand, withPool } from './command.ts';
import { color, print, printJson, printTable, UsageError } from './output.ts';

/** `pg-herald methods` */
export function methodsCommand(): Command {
  return commandGroup(
    'methods',
    'List, enable and disable delivery methods. To make messages wait, pause the method instead',
    [
      listCommand(),
      enableOrDisable('enable', 'Enable a method'),
      enableOrDisable('disable', 'Disable a method. Its messages become inhibited'),
    ],
  );
}

function listCommand(): Command {
  return tableCommand('list', 'List the delivery methods, and which of them are enabled', 'methods list').action(
    (options: CommonOptions) =>
      withPool(options, async (pool) => {
        const { methods } = await readStatus(pool);
        if (options.json) return printJson(methods.map(({ method, enabled }) => ({ method, enabled })));
        printTable(
          ['method', 'in use'],
          methods.map((m) => [m.method, m.enabled ? color('green', 'yes') : color('red', 'no')]),
          'none: run "pg-herald migrate"',
        );
      }),
  );
}

function enableOrDisable(name: 'enable' | 'disable', description: string): Command {
  return command(name, description, `methods ${name} webhook`)
    .addArgument(methodArgument())
    .action((method: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        if (!(await setMethodEnabled(pool, method, name === 'enable')))
          throw new UsageError(`no method "${method}": see "pg-herald methods list"`);
        await recordCommand(pool, { action: `methods ${name}`, subject: method });
        if (options.json) return printJson({ method, enabled: name === 'enable' });
        print(`${method} is ${name}d`);
      }),
    );
}
