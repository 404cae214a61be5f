import type { Command } from 'commander';
import { acceptReport, type RecordedReport } from '../reports/index.ts';
import { type CommonOptions, command, commandGroup, withPool } from './command.ts';
import { readSecretKeys } from './config.ts';
import { explainError } from './error-text.ts';
import { plural, print, printJson, TryAgain } from './output.ts';

/** `pg-herald bounces` */
export function bouncesCommand(): Command {
  return commandGroup('bounces', 'Take emails that came back', [acceptCommand()]);
}

function acceptCommand(): Command {
  return command('accept', 'Record what the email on standard input reports: a bounce, a delay or a complaint', {
    example: 'bounces accept < mail.eml',
    more: [['bounces accept bounces+abc@acme.example < mail.eml', 'with the address that it came to']],
    notes: [
      'A mail server runs it for each email to the address of HERALD_SMTP_ENVELOPE_FROM. Exit code 0: it is ' +
        'committed. 75: nothing was recorded, for whatever reason, and the mail server keeps the email and tries ' +
        'again. The same email counts once.',
      'An email that is not a report, or that does not name one of our messages and its recipient, is recorded as ' +
        'unmatched and changes nothing. The command needs the HERALD_SECRET_KEY of the workers.',
    ],
    seeAlso: ['suppressions list', 'why'],
  })
    .argument('[address...]', 'where the mail server delivers it to; default: what the header of the email says')
    .action(acceptFromInput);
}

async function acceptFromInput(recipients: string[], options: CommonOptions): Promise<void> {
  try {
    const email = await firstBytes(process.stdin);
    const recorded = await withPool(options, (pool) =>
      acceptReport({ pool, keys: readSecretKeys() }, email, recipients),
    );
    if (options.json) printJson(recorded);
    else print(textOf(recorded));
  } catch (error) {
    throw new TryAgain(explainError(error).line ?? 'it could not be recorded');
  }
}

/** More than is read of an email. The rest is taken from the pipe and dropped, or the mail server would wait. */
const mostBytes = 1_000_000;

async function firstBytes(input: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let room = mostBytes;
  for await (const chunk of input) {
    if (room > 0) chunks.push(chunk.subarray(0, room));
    room -= chunk.length;
  }
  return Buffer.concat(chunks);
}

function textOf(recorded: readonly RecordedReport[]): string {
  const count = (result: RecordedReport['result']) => recorded.filter((one) => one.result === result).length;
  const others = `${count('repeated')} repeated, ${count('unmatched')} unmatched`;
  return `${plural(count('recorded'), 'report')} recorded, ${others}`;
}
