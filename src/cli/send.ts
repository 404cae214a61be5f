import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { Pool } from 'pg';
import * as v from 'valibot';
import { parseAddress } from '../email-address.ts';
import { createHerald, type EnqueuedMessage } from '../enqueue/enqueue.ts';
import type { NotificationOptions } from '../enqueue/notification.ts';
import { ConfigurationError } from '../errors.ts';
import { createSecretBox, labelSecrets } from '../secrets.ts';
import { defineTemplate } from '../templates/define.ts';
import type { Attachment, JsonValue, Recipient } from '../vocabulary.ts';
import { collect, duration, instant, keyValue, readText } from './arguments.ts';
import { type CommonOptions, tableCommand, withPool } from './command.ts';
import { readOperator, readSecretKeys } from './config.ts';
import { print, printJson, printTable, statusText, UsageError } from './output.ts';
import { noSuchTemplate } from './set-template.ts';

interface SendOptions extends CommonOptions {
  readonly to: readonly string[];
  readonly name?: string;
  readonly locale?: string;
  readonly timeZone?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly labelFile?: Readonly<Record<string, string>>;
  readonly data?: string;
  readonly method?: readonly string[];
  readonly target?: readonly string[];
  readonly tenant?: string;
  readonly dedupeKey?: string;
  readonly sendAt?: Date;
  readonly delay?: number;
  readonly urgent?: boolean;
  readonly attach?: readonly Attachment[];
}

/** `pg-herald send` */
export function sendCommand(): Command {
  return tableCommand('send', 'Enqueue one notification by hand', {
    example: 'send test-notification --to ada@example.com --label initiator=me',
    more: [
      ['send build-failed --to user-7=ada@example.com --name Ada --label initiator=ci', 'an id beside the address'],
      ['send build-failed --to user-7=ada@example.com --method webhook --target build-99', 'by webhook'],
      ['send weekly-build-report --to ada@example.com --delay 2h', 'later'],
    ],
    notes: [
      'Labels that the template declares secret are encrypted with HERALD_SECRET_KEY, and refused without it. Other ' +
        'users of this machine see --label in the process list, so pass a secret with --label-file.',
    ],
    seeAlso: ['why', 'messages tail'],
  })
    .argument('<template>', 'name of a template in the database')
    .requiredOption('--to <address>', 'email address, or id=address; repeatable', collect)
    .option('--name <name>', "the recipient's name, with a single --to")
    .option('--locale <tag>', "the recipients' language, for example de-AT")
    .option('--time-zone <name>', "the recipients' time zone, for example Europe/Vienna")
    .option('--label <key=value>', 'a label; repeatable', keyValue)
    .option('--label-file <key=path>', 'a label from a file, - for standard input; repeatable', keyValue)
    .option('--data <json>', 'data of the notification, as JSON')
    .option('--method <name>', "instead of the template's methods; repeatable", collect)
    .option('--target <id>', 'id of something that the notification is about; repeatable', collect)
    .option('--tenant <id>', 'tenant that the notification belongs to')
    .option('--dedupe-key <key>', 'enqueue only once: another notification with this key returns the first one')
    .option('--send-at <time>', 'send it not before this time, for example 2026-11-24T09:30:00Z', instant)
    .option('--delay <duration>', 'send it after this time, for example 2h', duration)
    .option('--urgent', 'send it in quiet hours, too')
    .option('--attach <type=path>', 'attach a file, for example application/pdf=report.pdf; repeatable', attachment)
    .action((template: string, options: SendOptions) =>
      withPool(options, async (pool) => {
        const messages = await enqueue(pool, template, options);
        if (options.json) return printJson(messages);
        printTable(
          ['message', 'recipient', 'method', 'status'],
          messages.map((each) => [each.id, each.recipientId, each.method, enqueuedText(each)]),
          'nothing was enqueued',
        );
        if (messages[0]) print(`\nFollow it with: pg-herald why ${messages[0].id}`);
      }),
    );
}

async function enqueue(pool: Pool, name: string, options: SendOptions): Promise<EnqueuedMessage[]> {
  const { to, label, labelFile = {}, data, name: recipientName } = options;
  const fromFiles = Object.entries(labelFile).map(([key, path]) => [key, readText(path, '--label-file')]);
  const labels: Record<string, string> = { ...label, ...Object.fromEntries(fromFiles) };
  const secrets = (await secretLabelsOf(pool, name)).filter((each) => Object.hasOwn(labels, each));
  const template = defineTemplate({ name, labels: v.record(v.string(), v.string()), secrets });
  const notification = {
    to: to.map((text) => recipientOf(text, { ...options, ...(to.length > 1 && { name: undefined }) })),
    labels,
    ...(data !== undefined && { data: parseData(data) }),
    ...notificationOptions(options),
  };
  if (recipientName !== undefined && to.length > 1) throw new UsageError('give --name with a single --to');
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const messages = await heraldFor(name, secrets).enqueue(client, template, notification);
    await client.query('COMMIT');
    return messages;
  } finally {
    // Closes the connection, which rolls back what was not committed.
    client.release(true);
  }
}

/** Encrypts secret labels. @throws {ConfigurationError} if there is one, and no key. */
function heraldFor(template: string, secrets: readonly string[]) {
  if (secrets.length === 0) return createHerald();
  try {
    const { encryptLabels } = labelSecrets(createSecretBox(readSecretKeys()));
    return createHerald({ encryptLabels });
  } catch (error) {
    if (!(error instanceof ConfigurationError) || error.setting !== 'HERALD_SECRET_KEY') throw error;
    throw new ConfigurationError(
      'HERALD_SECRET_KEY',
      `is not set, and the label "${secrets[0]}" of ${template} is secret: set the key that the workers have`,
    );
  }
}

/** Names of the secret labels of the current version. @throws {UsageError} if there is no such template. */
async function secretLabelsOf(pool: Pool, template: string): Promise<readonly string[]> {
  const text = 'SELECT herald.secret_labels($1) AS secrets';
  const { rows } = await pool.query<{ secrets: string[] | null }>(text, [template]);
  const secrets = rows[0]?.secrets ?? null;
  if (secrets === null) throw await noSuchTemplate(pool, template);
  return secrets;
}

function notificationOptions(options: SendOptions): NotificationOptions {
  const { method, target, tenant, dedupeKey, sendAt, delay, urgent, attach } = options;
  if (sendAt !== undefined && delay !== undefined) throw new UsageError('give --send-at or --delay, not both');
  return {
    ...(method && { methods: method }),
    ...(target && { targets: target }),
    ...(tenant !== undefined && { tenant }),
    ...(dedupeKey !== undefined && { dedupeKey }),
    ...(sendAt !== undefined && { sendAt }),
    ...(delay !== undefined && { delaySeconds: delay / 1000 }),
    ...(urgent && { urgent }),
    ...(attach && { attachments: attach }),
    createdBy: `cli ${readOperator()}`,
  };
}

function enqueuedText({ status, reason, deduplicated }: EnqueuedMessage): string {
  return `${statusText(status)}${reason ? ` (${reason})` : ''}${deduplicated ? ' (enqueued before)' : ''}`;
}

/** `ada@example.com`, or `user-7=ada@example.com` if the id is not the address. */
function recipientOf(
  text: string,
  {
    name,
    locale,
    timeZone,
  }: { readonly name?: string | undefined; readonly locale?: string; readonly timeZone?: string },
): Recipient {
  const [id = text, email = text] = /^([^=@]+)=(.+)$/.exec(text)?.slice(1) ?? [];
  const parsed = parseAddress(email);
  if ('problem' in parsed) throw new UsageError(`--to: the address ${parsed.problem}`);
  return {
    id,
    email,
    ...(name !== undefined && { name }),
    ...(locale !== undefined && { locale }),
    ...(timeZone !== undefined && { timeZone }),
  };
}

function attachment(text: string, before: readonly Attachment[] = []): readonly Attachment[] {
  const [, contentType, path] = /^([^=/]+\/[^=]+)=(.+)$/.exec(text) ?? [];
  if (contentType === undefined || path === undefined)
    throw new UsageError(`invalid value "${text}": expected type=path, for example application/pdf=report.pdf`);
  try {
    return [...before, { name: basename(path), contentType, content: readFileSync(path) }];
  } catch {
    throw new UsageError(`cannot read ${path}`);
  }
}

function parseData(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new UsageError('--data is not valid JSON: quote it for the shell, for example --data \'{"builds": 3}\'');
  }
}
