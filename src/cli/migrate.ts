import type { Command } from 'commander';
import { type MigrationReport, migrate, migrationPlan, migrationScript } from '../database/migrate.ts';
import { applyRoles, rolesScript } from '../database/roles.ts';
import { applyRowLevelSecurity, rowLevelSecurityScript } from '../database/row-level-security.ts';
import { collect } from './arguments.ts';
import { type CommonOptions, command } from './command.ts';
import { readDatabaseUrl } from './config.ts';
import { print, printJson, printStderr } from './output.ts';

interface MigrateCommandOptions extends CommonOptions {
  readonly dryRun?: boolean;
  readonly print?: boolean;
  readonly after?: string;
  readonly method?: readonly string[];
  readonly roles?: boolean;
  readonly rowLevelSecurity?: boolean;
}

/** `pg-herald migrate` */
export function migrateCommand(): Command {
  return command('migrate', 'Upgrade the database to this release: tables, functions, queues', {
    example: 'migrate',
    more: [
      ['migrate --dry-run', 'see the SQL first'],
      ['migrate --print > drizzle/0042_herald.sql', 'for a drizzle-kit folder of your own'],
    ],
    notes: ['Every replica may run it at the same time: one migrates, the others wait for it.'],
    seeAlso: ['templates sync', 'doctor'],
  })
    .option('--dry-run', 'print the SQL that would run on this database, and change nothing')
    .option(
      '--print',
      'print all SQL as one script that records itself, for a drizzle-kit folder of your own; needs no database',
    )
    .option('--after <name>', 'with --print: leave out this migration and the ones before it')
    .option(
      '--roles',
      'also create the roles herald_enqueuer, herald_worker, herald_reader and herald_operator; with --print only ' +
        'their SQL',
    )
    .option(
      '--row-level-security',
      'also create the roles, and policies by which the role herald_tenant reads the rows of one tenant; with ' +
        '--print only their SQL',
    )
    .option('--method <name>', 'create the queue of another delivery method; repeatable', collect)
    .action(async (options: MigrateCommandOptions) => {
      if (options.print) return print(scriptFor(options));
      const url = readDatabaseUrl(options.databaseUrl);
      if (options.dryRun) return print((await migrationPlan(url)) || '-- nothing to do');
      const report = await migrate(url, {
        methods: options.method ?? [],
        onWait: (holder) => printStderr(`waiting for ${holder}, which is migrating this database`),
      });
      if (options.rowLevelSecurity) await applyRowLevelSecurity(url);
      else if (options.roles) await applyRoles(url);
      if (options.json) return printJson(report);
      printReport(report);
      if (options.roles || options.rowLevelSecurity)
        print('roles herald_enqueuer, herald_worker, herald_reader and herald_operator have their privileges');
      if (options.rowLevelSecurity) print('the role herald_tenant reads the rows of the tenant in herald.tenant');
    });
}

function scriptFor({ after, roles, rowLevelSecurity }: MigrateCommandOptions): string {
  if (rowLevelSecurity) return rowLevelSecurityScript();
  return roles ? rolesScript() : migrationScript(after);
}

function printReport({ applied, queueSchema: { before, after }, createdMethods }: MigrationReport): void {
  print(applied.length > 0 ? `applied ${applied.join(', ')}` : 'migrations: nothing to do');
  print(before === after ? `queue schema: ${after}, up to date` : `queue schema: ${before ?? 'none'} -> ${after}`);
  if (createdMethods.length > 0) print(`created methods ${createdMethods.join(', ')}`);
}
