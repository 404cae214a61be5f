import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { readEgress, readSecretKeys } from './config.ts';
import { endpoints } from '../operate/endpoints.ts';
import type { NewEndpoint } from '../operate/new-endpoint.ts';
import { formatNames, type FormatName } from '../dispatch/webhook/formats/formats.ts';
import { createSecretBox } from '../secrets.ts';
import { audit } from './audit.ts';
import { collect, type CommonOptions, command, keyValue, positiveInteger, withPool } from './command.ts';
import { print, printAside, printJson, UsageError } from './output.ts';

interface AddOptions extends CommonOptions {
  readonly name?: string;
  readonly format?: string;
  readonly tenant?: string;
  readonly recipient?: string;
  readonly group?: readonly string[];
  readonly header?: Readonly<Record<string, string>>;
  readonly secretFile?: string;
  readonly signingKeyFile?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly timeout?: number;
  readonly retry?: string;
  readonly concurrency?: number;
  readonly rate?: number;
  readonly contact?: string;
}

export function addEndpointCommand(): Command {
  return command(
    'add',
    'Store an endpoint; its URL, secret and headers are encrypted',
    'endpoints add https://hooks.example.com/in --tenant acme',
  )
    .argument('[url]', 'absolute https: URL; a chat service calls it the webhook URL. "-" reads it from standard input')
    .option('--name <text>', 'shown to people; default: the host')
    .option('--format <name>', formatNames.join(', '), 'standard')
    .option('--tenant <id>', 'gets what is enqueued for this tenant')
    .option(
      '--recipient <id>',
      'gets what is enqueued for this recipient; without either: everything that selects no other',
    )
    .option('--group <name>', 'only templates of this group; repeatable', collect)
    .option('--header <name=value>', 'sent with each call; repeatable', keyValue)
    .option('--secret-file <path>', 'signing secret or credential of the format; default: a new one, printed once')
    .option('--signing-key-file <path>', 'Ed25519 key (whsk_...) for a further v1a signature')
    .option('--ca-file <path>', 'PEM of the CA to trust instead of the well-known ones')
    .option('--cert-file <path>', 'PEM of a client certificate')
    .option('--key-file <path>', 'PEM of its key')
    .option('--timeout <seconds>', 'for a whole call, 1 to 60', positiveInteger)
    .option(
      '--retry <which>',
      'all: every refusal is tried again; transient: only 408, 425, 429, 5xx and network faults',
    )
    .option('--concurrency <calls>', 'under way at once in one worker', positiveInteger)
    .option('--rate <calls>', 'per second over all workers', positiveInteger)
    .option('--contact <address>', 'hears by mail when the endpoint is switched off')
    .action((url: string | undefined, options: AddOptions) =>
      withPool(options, async (pool) => {
        const endpoint = await newEndpoint(url, options);
        const secrets = createSecretBox(readSecretKeys());
        const added = await endpoints(pool, { secrets, egress: readEgress() }).add(endpoint);
        await audit(pool, { action: 'endpoints add', subject: added.id });
        if (options.json) return printJson(added);
        print(added.id);
        if (added.secret === null) return;
        printAside('Signing secret, shown only now; the receiver verifies with it:');
        print(added.secret);
      }),
    );
}

async function newEndpoint(given: string | undefined, options: AddOptions): Promise<NewEndpoint> {
  const url = given === '-' ? await textOf('/dev/stdin', 'standard input') : given;
  if (url !== undefined && !URL.canParse(url))
    throw new UsageError('the URL cannot be read; write for example https://hooks.example.com/in');
  if (!formatNames.some((name) => name === options.format))
    throw new UsageError(`"${options.format}" is no format; known are ${formatNames.join(', ')}`);
  if (options.retry !== undefined && options.retry !== 'all' && options.retry !== 'transient')
    throw new UsageError(`--retry is all or transient, not "${options.retry}"`);
  const file = async (path: string | undefined, name: string) => (path === undefined ? undefined : textOf(path, name));
  const [secret, signingKey, ca, cert, key] = await Promise.all([
    file(options.secretFile, '--secret-file'),
    file(options.signingKeyFile, '--signing-key-file'),
    file(options.caFile, '--ca-file'),
    file(options.certFile, '--cert-file'),
    file(options.keyFile, '--key-file'),
  ]);
  const { tenant, recipient, group, header, timeout, retry, concurrency, rate, contact } = options;
  return {
    name: options.name ?? (url === undefined ? (options.format ?? 'endpoint') : new URL(url).host),
    format: options.format as FormatName,
    ...(url !== undefined && { url }),
    ...(secret !== undefined && { secret }),
    ...(signingKey !== undefined && { signingKey }),
    ...((ca !== undefined || cert !== undefined || key !== undefined) && {
      tls: { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) },
    }),
    ...(tenant !== undefined && { tenant }),
    ...(recipient !== undefined && { recipientId: recipient }),
    ...(group !== undefined && { groups: group }),
    ...(header !== undefined && { headers: header }),
    ...(timeout !== undefined && { timeoutSeconds: timeout }),
    ...(retry !== undefined && { retry }),
    ...(concurrency !== undefined && { maxConcurrency: concurrency }),
    ...(rate !== undefined && { requestsPerSecond: rate }),
    ...(contact !== undefined && { contact }),
  };
}

async function textOf(path: string, name: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    throw new UsageError(`${name}: cannot read ${path}`);
  }
}
