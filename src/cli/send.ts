import type { Command } from 'commander';
import { parseAddress } from '../email-address.ts';
import { readOperator } from './config.ts';
import { type CommonOptions, collect, keyValue, listing, withPool } from './command.ts';
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

interface Row {
  readonly message_id: string;
  readonly recipient_id: string;
  readonly method: string;
  readonly status: string;
  readonly reason: string | null;
  readonly deduplicated: boolean;
}

export function sendCommand(): Command {
  return listing(
    'send',
    'Enqueue one notification by hand',
    'send test-notification --to ada@example.com --label initiator=me',
  )
    .argument('<template>', 'name of a template in the database')
    .requiredOption('--to <address>', 'e-mail address, or id=address; repeatable', collect)
    .option('--name <name>', "the recipient's name, with a single --to")
    .option('--label <key=value>', 'a label; repeatable', keyValue)
    .option('--data <json>', 'data for the template')
    .option('--method <name>', "in place of the template's methods; repeatable", collect)
    .option('--target <id>', 'what it is about; repeatable', collect)
    .option('--dedupe-key <key>', 'a second notification with this key returns the first')
    .action((template: string, options: SendOptions) =>
      withPool(options, async (pool) => {
        const notification = {
          template,
          to: options.to.map((text) => recipientOf(text, options.to.length === 1 ? options.name : undefined)),
          labels: options.label ?? {},
          ...(options.data !== undefined && { data: parseData(options.data) }),
          ...(options.method && { methods: options.method }),
          ...(options.target && { targets: options.target }),
          ...(options.dedupeKey !== undefined && { dedupeKey: options.dedupeKey }),
          createdBy: `cli ${readOperator()}`,
        };
        const result = await pool.query<Row>('SELECT * FROM herald.enqueue($1::text::jsonb)', [
          JSON.stringify(notification),
        ]);
        if (options.json)
          return printJson(
            result.rows.map((row) => ({
              id: row.message_id,
              recipientId: row.recipient_id,
              method: row.method,
              status: row.status,
              reason: row.reason,
              deduplicated: row.deduplicated,
            })),
          );
        printTable(
          ['message', 'recipient', 'method', 'status'],
          result.rows.map((row) => [
            row.message_id,
            row.recipient_id,
            row.method,
            `${statusText(row.status)}${row.reason ? ` (${row.reason})` : ''}${row.deduplicated ? ' (already there)' : ''}`,
          ]),
          'nothing was enqueued',
        );
        if (result.rows[0]) print(`\nFollow it with: pg-herald why ${result.rows[0].message_id}`);
      }),
    );
}

/** `ada@example.com`, or `user-7=ada@example.com` where the id is not the address. */
function recipientOf(text: string, name: string | undefined) {
  const [id, email] = /^([^=@]+)=(.+)$/.exec(text)?.slice(1) ?? [text, text];
  const parsed = parseAddress(email ?? '');
  if ('problem' in parsed) throw new UsageError(`--to: the address ${parsed.problem}`);
  return { id, email, ...(name !== undefined && { name }) };
}

function parseData(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('--data is no valid JSON; quote it for the shell: --data \'{"builds": 3}\'');
  }
}
