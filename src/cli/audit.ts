import type { Command } from 'commander';
import type { Pool } from 'pg';
import { type AuditEntry, listAudit, recordAudit } from '../operate/audit.ts';
import { positiveInteger } from './arguments.ts';
import { type CommonOptions, tableCommand, withPool } from './command.ts';
import { readOperator } from './config.ts';
import { printJson, printTable, timeText } from './output.ts';

/** Records what a command did, under the operator's login name. */
export function recordCommand(pool: Pool, entry: Omit<AuditEntry, 'actor'>): Promise<void> {
  return recordAudit(pool, { actor: readOperator(), ...entry });
}

/** `pg-herald audit` */
export function auditCommand(): Command {
  return tableCommand(
    'audit',
    'List what operators did: who, when, what, to which object, and why',
    'audit --subject smtp',
  )
    .option('--subject <id>', 'only actions on this message, method, template or endpoint')
    .option('--limit <n>', 'number of entries, 1000 at most', positiveInteger, 50)
    .action((options: CommonOptions & { subject?: string; limit: number }) =>
      withPool(options, async (pool) => {
        const records = await listAudit(pool, options);
        if (options.json) return printJson(records);
        printTable(
          ['when (UTC)', 'who', 'what', 'to', 'why'],
          records.map((record) => [
            timeText(record.at),
            record.actor,
            record.action,
            record.subject ?? JSON.stringify(record.detail ?? {}),
            record.why ?? '',
          ]),
          'nothing yet',
          { neverCut: ['when (UTC)'] },
        );
      }),
    );
}
