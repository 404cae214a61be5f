import type { Command } from 'commander';
import { readDatabaseUrl } from './config.ts';
import { migrate, migrationPlan, migrationScript } from '../database/migrate.ts';
import { applyRoles, rolesScript } from '../database/roles.ts';
import { type CommonOptions, collect, command } from './command.ts';
import { print, printJson } from './output.ts';

interface MigrateCommandOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly print?: boolean;
  readonly after?: string;
  readonly method?: readonly string[];
  readonly roles?: boolean;
}

export function migrateCommand(): Command {
  return command(
    'migrate',
    'Bring the database to this release: tables, functions, queues. Safe from many replicas at once.',
    'migrate',
  )
    .option('--dry-run', 'print the SQL that would run on this database, and change nothing')
    .option(
      '--print',
      'print all SQL as one script that records itself, for a drizzle-kit folder of your own; needs no database',
    )
    .option('--after <name>', 'with --print: leave out this migration and those before it')
    .option(
      '--roles',
      'also create the roles herald_enqueuer, herald_worker and herald_reader; with --print only their SQL',
    )
    .option('--method <name>', 'create the queue of a further delivery method; repeatable', collect)
    .action(async (options: MigrateCommandOptions) => {
      if (options.print) return print(options.roles ? rolesScript() : migrationScript(options.after));
      const url = readDatabaseUrl(options.databaseUrl);
      if (options.dryRun) return print((await migrationPlan(url)) || '-- nothing to do');
      const report = await migrate(url, { methods: options.method ?? [] });
      if (options.roles) await applyRoles(url);
      if (options.json) return printJson(report);
      const { before, after } = report.queueSchema;
      print(report.applied.length > 0 ? `applied ${report.applied.join(', ')}` : 'migrations: nothing to do');
      print(before === after ? `queue schema: ${after}, up to date` : `queue schema: ${before ?? 'none'} -> ${after}`);
      if (report.createdMethods.length > 0) print(`created methods ${report.createdMethods.join(', ')}`);
      if (options.roles) print('roles herald_enqueuer, herald_worker and herald_reader have their rights');
    });
}
