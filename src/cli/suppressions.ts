import type { Command } from 'commander';
import { listSuppressions, suppress, unsuppress } from '../operate/suppressions.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, commandGroup, methodArgument, tableCommand, withPool } from './command.ts';
import { CommandFailed, print, printJson, printTable, timeText } from './output.ts';

/** `pg-herald suppressions` */
export function suppressionsCommand(): Command {
  return commandGroup('suppressions', 'List, add and remove addresses that a method must not use', [
    listCommand(),
    addCommand(),
    removeCommand(),
  ]);
}

function listCommand(): Command {
  return tableCommand('list', 'List suppressed addresses, newest first', 'suppressions list').action(
    (options: CommonOptions) =>
      withPool(options, async (pool) => {
        const rows = await listSuppressions(pool);
        if (options.json) return printJson(rows);
        printTable(
          ['method', 'address', 'cause', 'reason', 'since (UTC)', 'until (UTC)'],
          rows.map((row) => [
            row.method,
            row.address ?? '(erased)',
            row.cause,
            row.reason,
            row.suppressedAt ? timeText(row.suppressedAt) : `not yet (${row.hits})`,
            row.expiresAt ? timeText(row.expiresAt) : '',
          ]),
          'none',
        );
      }),
  );
}

function addCommand(): Command {
  return command('add', 'Stop using an address', 'suppressions add smtp ada@example.com --reason "left the company"')
    .addArgument(methodArgument())
    .argument('<address>', 'the address')
    .option('--reason <text>', 'why', 'operator')
    .action((method: string, address: string, options: CommonOptions & { reason: string }) =>
      withPool(options, async (pool) => {
        await suppress(pool, { method, address, reason: options.reason });
        await recordCommand(pool, { action: 'suppressions add', subject: method, why: options.reason });
        if (options.json) return printJson({ method, address, suppressed: true });
        print('suppressed');
      }),
    );
}

function removeCommand(): Command {
  return command('remove', 'Use an address again', 'suppressions remove smtp ada@example.com')
    .addArgument(methodArgument())
    .argument('<address>', 'the address')
    .action((method: string, address: string, options: CommonOptions) =>
      withPool(options, async (pool) => {
        if (!(await unsuppress(pool, { method, address }))) throw new CommandFailed('this address is not suppressed');
        await recordCommand(pool, { action: 'suppressions remove', subject: method });
        if (options.json) return printJson({ method, address, suppressed: false });
        print('removed');
      }),
    );
}
