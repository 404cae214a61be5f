import type { Command } from 'commander';
import { portNumber, readText } from './arguments.ts';
import { type CommonOptions, command } from './command.ts';
import { readConsole, readDatabaseUrl, readOperator } from './config.ts';
import { createLogger } from './logger.ts';
import { print, printJsonLine, printStderr, UsageError } from './output.ts';
import { untilSignal } from './signals.ts';

interface ConsoleCommandOptions extends CommonOptions {
  readonly port: number;
  readonly host: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly readOnly?: boolean;
  readonly basePath?: string;
  readonly trustProxy?: boolean;
}

/** `pg-herald console` */
export function consoleCommand(): Command {
  return command(
    'console',
    "Serve the operator's web page, which shows whether messages are delivered and why someone did not receive one",
    'console --port 4780 --token-file /run/secrets/console-token',
  )
    .option('--port <n>', 'port; 0 takes any free one', portNumber, 4780)
    .option('--host <address>', 'address to listen on; beyond loopback a token is required', '127.0.0.1')
    .option('--token <token>', 'token to sign in with; it is visible in the process list, so prefer --token-file')
    .option('--token-file <file>', 'file with the token; default HERALD_CONSOLE_TOKEN or HERALD_CONSOLE_TOKEN_FILE')
    .option('--read-only', 'show everything, but refuse every action')
    .option('--trust-proxy', 'trust X-Forwarded-For, -Host and -Prefix: a proxy in front sets them')
    .option('--base-path <path>', 'path where a proxy mounts it, for example /herald')
    .action(serve);
}

async function serve(options: ConsoleCommandOptions): Promise<void> {
  const databaseUrl = readDatabaseUrl(options.databaseUrl);
  const config = readConsole();
  const token = tokenOf(options) ?? config.token;
  const stopped = untilSignal();
  const { serveConsole } = await import('../console/index.ts');
  const server = await serveConsole({
    connectionString: databaseUrl,
    port: options.port,
    host: options.host,
    operator: readOperator(),
    brand: config.brand,
    secretKeys: config.secretKeys,
    egress: config.egress,
    readOnly: options.readOnly === true,
    trustProxy: options.trustProxy === true,
    logger: createLogger(config.logLevel),
    ...(token !== null && { token }),
    ...(config.linksUrl !== null && { links: { url: config.linksUrl } }),
    ...(config.from !== null && { from: config.from }),
    ...(options.basePath !== undefined && { basePath: options.basePath }),
  });
  if (options.json) printJsonLine({ url: server.url });
  else print(server.url);
  printStderr(`the console is listening${token === null ? ', open to everyone on this machine' : ''}; Ctrl-C stops it`);
  await stopped;
  await server.close();
}

function tokenOf({ token, tokenFile }: ConsoleCommandOptions): string | null {
  if (token !== undefined && tokenFile !== undefined) throw new UsageError('give --token or --token-file, not both');
  return tokenFile === undefined ? (token ?? null) : readText(tokenFile, '--token-file');
}
