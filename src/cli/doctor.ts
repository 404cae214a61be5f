import type { Command } from 'commander';
import { examineDatabase } from '../operate/doctor/database.ts';
import type { Finding } from '../operate/doctor/finding.ts';
import { examineRecipientGuard } from '../operate/doctor/guards.ts';
import { examineSmtp } from '../operate/doctor/smtp.ts';
import { examineWebhook } from '../operate/doctor/webhook.ts';
import { type CommonOptions, command, withPool } from './command.ts';
import { readConfig } from './config.ts';
import { CommandFailed, color, printJson, printWrapped, withoutBreaks } from './output.ts';

/** `pg-herald doctor` */
export function doctorCommand(): Command {
  return command('doctor', 'Look for problems that stop messages; the exit code is 1 if there is one', {
    example: 'doctor',
    notes: ['Run it in the environment of the worker: it connects to the relay and reads the same settings.'],
  }).action(async (options: CommonOptions) => {
    const { smtp, webhook, secretKeys, recipientGuard } = readConfig(options.databaseUrl);
    const findings = await withPool(options, async (pool) => [
      ...(await examineDatabase(pool)),
      ...(await examineRecipientGuard(pool, recipientGuard ?? null)),
      ...(await examineSmtp(smtp ?? null)),
      ...(await examineWebhook(pool, { webhook, secretKeys })),
    ]);
    if (options.json) printJson(findings);
    else findings.forEach(printFinding);
    if (findings.some(({ level }) => level === 'problem')) throw new CommandFailed();
  });
}

const marks = {
  ok: color('green', '✓'),
  info: color('dim', '·'),
  warning: color('yellow', '!'),
  problem: color('red', '✗'),
} as const;

function printFinding({ check, level, text, remedy }: Finding): void {
  printWrapped(`${marks[level]} ${check.padEnd(11)} ${withoutBreaks(text)}`, 14);
  if (remedy !== null) printWrapped(`  ${' '.repeat(11)} ${color('dim', '→')} ${remedy}`, 16);
}
