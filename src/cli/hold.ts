import type { Command } from 'commander';
import type { Pool } from 'pg';
import { holdMessages } from '../operate/message-actions.ts';
import { holdAfterRestore } from '../operate/hold-after-restore.ts';
import { instant } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { command, withPool } from './command.ts';
import { readOperator } from './config.ts';
import { print, printJson, printStderr, UsageError } from './output.ts';
import { confirm } from './prompt.ts';
import {
  countInBatches,
  recordSelection,
  type SelectionOptions,
  selectMessages,
  selectionNotes,
  withSelection,
} from './selection.ts';

interface HoldOptions extends SelectionOptions {
  readonly since?: string;
}

/** `pg-herald hold` */
export function holdCommand(): Command {
  const made = command('hold', 'Hold pending messages until they are released', {
    example: 'hold --where template=weekly-build-report',
    more: [['hold --since 2026-11-24T09:30:00Z --why "restored" --yes', 'after a restore to that moment']],
    notes: selectionNotes,
    seeAlso: ['release', 'discard', 'pause'],
  });
  return withSelection(made)
    .option('--since <time>', 'after a restore to this moment: what may have been sent already')
    .action((ids: string[], options: HoldOptions) =>
      withPool(options, async (pool) => {
        const { since } = options;
        const held =
          since === undefined
            ? await holdSelected(pool, ids, options)
            : await holdSince(pool, ids, { ...options, since });
        if (options.json) return printJson({ held });
        print(`${held} held`);
        if (since !== undefined && held > 0)
          printStderr(
            'List them with "messages list --where reason=restored", then release or discard them. See docs/restore.md',
          );
      }),
    );
}

async function holdSelected(pool: Pool, ids: readonly string[], options: HoldOptions): Promise<number> {
  const selection = await selectMessages(pool, { ids, options, verb: 'hold' });
  const note = { by: readOperator(), why: options.why };
  const count = await countInBatches(selection, 'held', (batch) => holdMessages(pool, batch, note));
  await recordSelection(pool, 'hold', { ids, options, count });
  return count;
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
