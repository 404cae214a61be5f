import type { Command } from 'commander';
import type { Pool } from 'pg';
import { holdMessages } from '../operate/message-actions.ts';
import { holdAfterRestore } from '../operate/hold-after-restore.ts';
import { instant } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { withPool } from './command.ts';
import { readOperator } from './config.ts';
import { printStderr, UsageError } from './output.ts';
import { confirm } from './prompt.ts';
import { type Action, actOnSelected, printCount, type SelectionOptions, selectingCommand } from './selection.ts';

interface HoldOptions extends SelectionOptions {
  readonly since?: string;
}

const action: Action = { verb: 'hold', done: 'held', status: 'pending', act: holdMessages };

/** `pg-herald hold` */
export function holdCommand(): Command {
  return selectingCommand('hold', 'Hold pending messages until you release or discard them', {
    example: 'hold --where template=weekly-build-report',
    more: [['hold --since 2026-11-24T09:30:00Z --why "restored" --yes', 'after a restore to that moment']],
    seeAlso: ['release', 'discard', 'pause'],
  })
    .option('--since <time>', 'after a restore to this moment: hold every message that may have been sent already')
    .action(hold);
}

async function hold(ids: string[], options: HoldOptions): Promise<void> {
  await withPool(options, async (pool) => {
    const { since, json } = options;
    if (since === undefined) return printCount(action, await actOnSelected(pool, action, { ids, options }), options);
    const held = await holdSince(pool, ids, { ...options, since });
    printCount(action, held, options);
    if (json || held === 0) return;
    printStderr(
      'List them with "messages list --where reason=restored", then release or discard them. See docs/restore.md',
    );
  });
}

async function holdSince(
  pool: Pool,
  ids: readonly string[],
  { since: text, why = 'the database was restored', where, yes }: HoldOptions & { readonly since: string },
): Promise<number> {
  if (ids.length > 0 || where) throw new UsageError('give --since without ids and --where');
  const since = instant(text);
  if (since.getTime() > Date.now())
    throw new UsageError(`--since "${text}" is in the future: expected the moment that the database was restored to`);
  const object = `everything due that was enqueued before ${since.toISOString()}`;
  await confirm({ verb: 'hold', object }, { ...(yes && { yes }) });
  const held = await holdAfterRestore(pool, { since, by: readOperator(), why });
  await recordCommand(pool, {
    action: 'hold',
    subject: null,
    why,
    detail: { since: since.toISOString(), count: held },
  });
  return held;
}
