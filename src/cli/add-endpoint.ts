import { Option, type Command } from 'commander';
import { formatNames, type FormatName } from '../dispatch/webhook/formats/formats.ts';
import { endpoints } from '../operate/endpoints.ts';
import type { NewEndpoint } from '../operate/new-endpoint.ts';
import { createSecretBox } from '../secrets.ts';
import { collect, keyValue, oneOf, positiveInteger, readText } from './arguments.ts';
import { recordCommand } from './audit.ts';
import { type CommonOptions, command, withPool } from './command.ts';
import { readEgress, readSecretKeys } from './config.ts';
import { print, printJson, printStderr, UsageError } from './output.ts';

const retryChoices = ['all', 'transient'];

interface AddOptions extends CommonOptions {
  readonly name?: string;
  readonly format: FormatName;
  readonly tenant?: string;
  readonly recipient?: string;
  readonly group?: readonly string[];
  readonly header?: Readonly<Record<string, string>>;
  readonly headerFile?: Readonly<Record<string, string>>;
  readonly secretFile?: string;
  readonly signingKeyFile?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly timeout?: number;
  readonly retry?: 'all' | 'transient';
  readonly concurrency?: number;
  readonly rate?: number;
  readonly contact?: string;
}

/** `pg-herald endpoints add` */
export function addEndpointCommand(): Command {
  return command('add', 'Add an endpoint. Its URL, secret and headers are stored encrypted', {
    example: 'endpoints add https://hooks.example.com/in --tenant acme',
    notes: [
      'Other users of this machine see the arguments in the process list: pass a secret URL with -, and a secret ' +
        'header with --header-file.',
    ],
    seeAlso: ['endpoints test', 'endpoints rotate'],
  })
    .argument('[url]', 'absolute https: URL; a chat service calls it the webhook URL. "-" reads it from standard input')
    .option('--name <text>', 'name for people; default the host')
    .addOption(
      new Option('--format <name>', 'format of the calls')
        .choices(formatNames)
        .argParser(oneOf('format', formatNames))
        .default('standard'),
    )
    .option('--tenant <id>', 'receive messages of this tenant')
    .option(
      '--recipient <id>',
      'receive messages to this recipient; without it and --tenant, all messages that no other endpoint receives',
    )
    .option('--group <name>', 'only templates of this group; repeatable', collect)
    .option('--header <name=value>', 'header of each call; repeatable', keyValue)
    .option('--header-file <name=path>', 'header whose value is in a file, for credentials; repeatable', keyValue)
    .option('--secret-file <path>', 'signing secret or credential of the format; default a new one, printed once')
    .option('--signing-key-file <path>', 'Ed25519 key (whsk_...) for an additional v1a signature')
    .option('--ca-file <path>', 'PEM of the CA to trust instead of the public ones')
    .option('--cert-file <path>', 'PEM of a client certificate')
    .option('--key-file <path>', 'PEM of its key')
    .option('--timeout <seconds>', 'time limit of a call, 1 to 60', positiveInteger)
    .addOption(
      new Option(
        '--retry <which>',
        'which refusals to retry: all, or only the transient ones (408, 425, 429, 5xx and network errors)',
      )
        .choices(retryChoices)
        .argParser(oneOf('choice', retryChoices)),
    )
    .option('--concurrency <calls>', 'most calls at once in one worker', positiveInteger)
    .option('--rate <calls>', 'most calls per second over all workers', positiveInteger)
    .option('--contact <address>', 'email address to notify when the endpoint is disabled')
    .action(add);
}

async function add(url: string | undefined, options: AddOptions): Promise<void> {
  await withPool(options, async (pool) => {
    const endpoint = newEndpoint(url, options);
    const secrets = createSecretBox(readSecretKeys());
    const added = await endpoints(pool, { secrets, egress: readEgress() }).add(endpoint);
    await recordCommand(pool, { action: 'endpoints add', subject: added.id });
    if (options.json) return printJson(added);
    print(added.id);
    if (added.secret === null) return;
    printStderr('Signing secret, shown only once; the receiver verifies with it:');
    print(added.secret);
  });
}

function newEndpoint(given: string | undefined, options: AddOptions): NewEndpoint {
  const url = given === '-' ? readText('-', 'the URL') : given;
  if (url !== undefined && !URL.canParse(url))
    throw new UsageError('invalid URL: expected an absolute URL, for example https://hooks.example.com/in');
  const {
    format,
    tenant,
    recipient,
    group,
    header,
    headerFile = {},
    timeout,
    retry,
    concurrency,
    rate,
    contact,
  } = options;
  const fromFiles = Object.entries(headerFile).map(([name, path]) => [name, readText(path, '--header-file')]);
  const headers: Record<string, string> = { ...header, ...Object.fromEntries(fromFiles) };
  return {
    name: options.name ?? (url === undefined ? format : new URL(url).host),
    format,
    ...(url !== undefined && { url }),
    ...secretFiles(options),
    ...(tenant !== undefined && { tenant }),
    ...(recipient !== undefined && { recipientId: recipient }),
    ...(group !== undefined && { groups: group }),
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(timeout !== undefined && { timeoutSeconds: timeout }),
    ...(retry !== undefined && { retry }),
    ...(concurrency !== undefined && { maxConcurrency: concurrency }),
    ...(rate !== undefined && { requestsPerSecond: rate }),
    ...(contact !== undefined && { contact }),
  };
}

function secretFiles(options: AddOptions): Pick<NewEndpoint, 'secret' | 'signingKey' | 'tls'> {
  const read = <Name extends string>(name: Name, path: string | undefined, option: string) =>
    path === undefined ? {} : ({ [name]: readText(path, option) } as Record<Name, string>);
  const tls = {
    ...read('ca', options.caFile, '--ca-file'),
    ...read('cert', options.certFile, '--cert-file'),
    ...read('key', options.keyFile, '--key-file'),
  };
  return {
    ...read('secret', options.secretFile, '--secret-file'),
    ...read('signingKey', options.signingKeyFile, '--signing-key-file'),
    ...(Object.keys(tls).length > 0 && { tls }),
  };
}
