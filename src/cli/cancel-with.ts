import type { Command } from 'commander';
import { transaction } from '../database/pool.ts';
import { cancelTriggers, type CancelTriggers } from '../guard/cancel-trigger.ts';
import { type CommonOptions, command, withPool } from './command.ts';
import { print, printJson, UsageError } from './output.ts';

interface CancelWithOptions extends CommonOptions {
  readonly id?: string;
  readonly soft?: string;
  readonly print?: boolean;
  readonly remove?: boolean;
}

/** A trigger needs its table for itself for a moment. What waits for that makes others wait. */
const shortWait = "SET LOCAL lock_timeout = '5s';";

/** `pg-herald cancel-with` */
export function cancelWithCommand(): Command {
  return command('cancel-with', 'Cancel what is about a row when the row is deleted, by a trigger on its table', {
    example: 'cancel-with app.workspace',
    more: [
      ['cancel-with app.workspace --soft deleted_at', 'rows that are marked as deleted count as well'],
      ['cancel-with app.workspace --print', 'the SQL, for a migration of your own'],
      ['cancel-with app.workspace --remove', 'remove the trigger'],
    ],
    notes: [
      'Messages are about a row if its id is one of their targets. They are cancelled in the transaction that ' +
        'deletes it, and wait on if that rolls back. TRUNCATE does not count.',
    ],
    seeAlso: ['cancel', 'templates sync'],
  })
    .argument('<table>', 'table of the application, with its schema')
    .option('--id <column>', 'column with the id that messages have as a target; default the primary key')
    .option('--soft <column>', 'column that marks a row as deleted: a time, or a boolean')
    .option('--print', 'print the SQL and change nothing')
    .option('--remove', 'remove the trigger')
    .action(cancelWith);
}

async function cancelWith(table: string, options: CancelWithOptions): Promise<void> {
  const { id, soft, remove } = options;
  if (remove && soft !== undefined) throw new UsageError('give --soft or --remove, not both');
  await withPool(options, async (pool) => {
    const triggers = await cancelTriggers(pool, { table, id, soft });
    const statements = remove ? triggers.remove : triggers.install;
    if (!options.print) await transaction(pool, (client) => client.query(`${shortWait}\n${statements}`));
    if (options.json) return printJson({ table: triggers.table, id: triggers.id, sql: statements });
    print(options.print ? statements : doneText(triggers, options));
  });
}

function doneText({ table, id }: CancelTriggers, { soft, remove }: CancelWithOptions): string {
  if (remove) return `${table}: removed`;
  const also = soft === undefined ? '' : `, or ${soft} is set,`;
  return `${table}: when a row is deleted${also} what has its ${id} as a target is cancelled`;
}
