import type { Command } from 'commander';
import type { Pool } from 'pg';
import { type Config, readConfig } from './config.ts';
import { endpoints } from '../operate/endpoints.ts';
import { ConfigurationError } from '../errors.ts';
import { examineDatabase, type Finding, ok, problem } from '../operate/doctor.ts';
import { createSecretBox } from '../secrets.ts';
import { type CommonOptions, command, withPool } from './command.ts';
import { examineSmtp } from './doctor-smtp.ts';
import { withEgress } from './egress.ts';
import { color, printJson, printWrapped, Unsuccessful } from './output.ts';

export function doctorCommand(): Command {
  return command(
    'doctor',
    'Look for what keeps notifications from flowing; exit code 1 where there is a problem',
    'doctor',
  ).action(async (options: CommonOptions) => {
    const config = readConfig(options.databaseUrl);
    const findings = await withPool(options, async (pool) => [
      ...(await examineDatabase(pool)),
      ...(await examineSmtp(config.smtp)),
      ...(await examineWebhook(config, pool)),
    ]);
    if (options.json) printJson(findings);
    else findings.forEach(printFinding);
    if (findings.some(({ level }) => level === 'problem')) throw new Unsuccessful();
  });
}

const marks = { ok: color('green', '✓'), warning: color('yellow', '!'), problem: color('red', '✗') } as const;

function printFinding({ check, level, text, remedy }: Finding): void {
  printWrapped(`${marks[level]} ${check.padEnd(11)} ${text}`, 14);
  if (remedy !== null) printWrapped(`  ${' '.repeat(11)} ${color('dim', '→')} ${remedy}`, 16);
}

/** The default endpoint's URL, and whether the key opens the rows of the others. */
async function examineWebhook({ webhook, secretKeys }: Config, pool: Pool): Promise<Finding[]> {
  const url = webhook.endpoint?.url;
  const refusal = url === undefined ? null : await withEgress((egress) => egress.refusal(url));
  const findings =
    refusal === null
      ? []
      : [
          problem(
            'webhook',
            `HERALD_WEBHOOK_URL may not be called: ${refusal}`,
            'use a public https: URL, or allow it',
          ),
        ];
  const stored = await endpoints(pool)
    .list()
    .catch(() => []);
  if (stored.length === 0) return findings;
  if (secretKeys.length === 0)
    return [
      ...findings,
      problem('endpoints', 'HERALD_SECRET_KEY is not set here', 'set the key that the endpoints were added with'),
    ];
  const encrypted = endpoints(pool, { secrets: createSecretBox(secretKeys) });
  for (const { id } of stored)
    try {
      await encrypted.verify(id);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      return [
        ...findings,
        problem(
          'endpoints',
          `${id}: ${error.message}`,
          'add the missing key behind the current one, or replace the endpoint',
        ),
      ];
    }
  return [...findings, ok('endpoints', `${stored.length} can be opened with the key`)];
}
