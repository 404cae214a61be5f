import type { Command } from 'commander';
import { parseAddress } from '../email-address.ts';
import { collect, keyValue } from './arguments.ts';
import { type CommonOptions, tableCommand, withPool } from './command.ts';
import { readOperator } from './config.ts';
import { print, printJson, printTable, statusText, UsageError } from './output.ts';

interface SendOptions extends CommonOptions {
  readonly to: readonly string[];
  readonly name?: string;
  readonly label?: Record<string, string>;
  readonly data?: string;
  readonly method?: readonly string[];
  readonly target?: readonly string[];
  readonly dedupeKey?: string;
}

/** A row that `herald.enqueue` returns. */
interface EnqueuedRow {
  readonly message_id: string;
  readonly recipient_id: string;
  readonly method: string;
  readonly status: string;
  readonly reason: string | null;
  readonly deduplicated: boolean;
}

/** `pg-herald send` */
export function sendCommand(): Command {
  return tableCommand('send', 'Enqueue one notification by hand', {
    example: 'send test-notification --to ada@example.com --label initiator=me',
    more: [
      ['send build-failed --to user-7=ada@example.com --name Ada --label initiator=ci', 'an id beside the address'],
      ['send build-failed --to user-7=ada@example.com --method webhook --target build-99', 'by webhook'],
    ],
    seeAlso: ['why', 'messages tail'],
  })
    .argument('<template>', 'name of a template in the database')
    .requiredOption('--to <address>', 'email address, or id=address; repeatable', collect)
    .option('--name <name>', "the recipient's name, with a single --to")
    .option('--label <key=value>', 'a label; repeatable', keyValue)
    .option('--data <json>', 'data for the template')
    .option('--method <name>', "instead of the template's methods; repeatable", collect)
    .option('--target <id>', 'id of a thing that it is about; repeatable', collect)
    .option('--dedupe-key <key>', 'a second notification with this key returns the first')
    .action((template: string, options: SendOptions) =>
      withPool(options, async (pool) => {
        const { rows } = await pool.query<EnqueuedRow>('SELECT * FROM herald.enqueue($1::text::jsonb)', [
          JSON.stringify(notificationOf(template, options)),
        ]);
        if (options.json) return printJson(rows.map(enqueuedJson));
        printTable(
          ['message', 'recipient', 'method', 'status'],
          rows.map((row) => [row.message_id, row.recipient_id, row.method, enqueuedText(row)]),
          'nothing was enqueued',
        );
        if (rows[0]) print(`\nFollow it with: pg-herald why ${rows[0].message_id}`);
      }),
    );
}

function notificationOf(template: string, options: SendOptions): object {
  const { to, name, label, data, method, target, dedupeKey } = options;
  return {
    template,
    to: to.map((text) => recipientOf(text, to.length === 1 ? name : undefined)),
    labels: label ?? {},
    ...(data !== undefined && { data: parseData(data) }),
    ...(method && { methods: method }),
    ...(target && { targets: target }),
    ...(dedupeKey !== undefined && { dedupeKey }),
    createdBy: `cli ${readOperator()}`,
  };
}

function enqueuedJson({
  message_id: id,
  recipient_id: recipientId,
  method,
  status,
  reason,
  deduplicated,
}: EnqueuedRow) {
  return { id, recipientId, method, status, reason, deduplicated };
}

function enqueuedText({ status, reason, deduplicated }: EnqueuedRow): string {
  return `${statusText(status)}${reason ? ` (${reason})` : ''}${deduplicated ? ' (enqueued before)' : ''}`;
}

/** `ada@example.com`, or `user-7=ada@example.com` if the id is not the address. */
function recipientOf(text: string, name: string | undefined): object {
  const [id, email] = /^([^=@]+)=(.+)$/.exec(text)?.slice(1) ?? [text, text];
  const parsed = parseAddress(email ?? '');
  if ('problem' in parsed) throw new UsageError(`--to: the address ${parsed.problem}`);
  return { id, email, ...(name !== undefined && { name }) };
}

function parseData(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('--data is not valid JSON: quote it for the shell, for example --data \'{"builds": 3}\'');
  }
}
