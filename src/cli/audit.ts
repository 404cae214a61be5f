import type { Command } from 'commander';
import type { Pool } from 'pg';
import { readOperator } from './config.ts';
import { type AuditEntry, listAudit, recordAudit } from '../operate/audit.ts';
import { type CommonOptions, listing, positiveInteger, withPool } from './command.ts';
import { printJson, printTable, timeText } from './output.ts';

/** Writes down what this command did, under the login name. */
export function audit(pool: Pool, entry: Omit<AuditEntry, 'actor'>): Promise<void> {
  return recordAudit(pool, { actor: readOperator(), ...entry });
}

export function auditCommand(): Command {
  return listing('audit', 'What operators did: who, what, to which, why', 'audit --subject smtp')
    .option('--subject <id>', 'only what was done to this message, method, template or endpoint')
    .option('--limit <n>', 'lines', positiveInteger, 50)
    .action((options: CommonOptions & { subject?: string; limit: number }) =>
      withPool(options, async (pool) => {
        const records = await listAudit(pool, options);
        if (options.json) return printJson(records);
        printTable(
          ['when (UTC)', 'who', 'what', 'to', 'why'],
          records.map((r) => [
            timeText(r.at),
            r.actor,
            r.action,
            r.subject ?? JSON.stringify(r.detail ?? {}),
            r.why ?? '',
          ]),
          'nothing yet',
          { whole: ['when (UTC)'] },
        );
      }),
    );
}
