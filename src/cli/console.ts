import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { readConsole, readDatabaseUrl, readOperator } from './config.ts';
import { serveConsole } from '../console/index.ts';
import { type CommonOptions, command, portNumber } from './command.ts';
import { createLogger } from './logger.ts';
import { print, printAside, printJson, UsageError } from './output.ts';

interface ConsoleCommandOptions extends CommonOptions {
  readonly port: number;
  readonly host: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly readOnly?: boolean;
  readonly basePath?: string;
}

export function consoleCommand(): Command {
  return command(
    'console',
    "The operator's web page: whether mail flows, and why somebody did not get it",
    'console --port 4780 --token-file /run/secrets/console-token',
  )
    .option('--port <n>', 'port; 0 takes any free one', portNumber, 4780)
    .option('--host <address>', 'address to listen on; beyond loopback a token is demanded', '127.0.0.1')
    .option('--token <token>', 'asked for at the door; others see it in the list of processes, so prefer --token-file')
    .option(
      '--token-file <file>',
      'file that holds the token; default HERALD_CONSOLE_TOKEN or HERALD_CONSOLE_TOKEN_FILE',
    )
    .option('--read-only', 'refuse every action')
    .option('--base-path <path>', 'where a proxy mounts it, for example /herald')
    .action(async (options: ConsoleCommandOptions) => {
      const databaseUrl = readDatabaseUrl(options.databaseUrl);
      const config = readConsole();
      const token = tokenOf(options) ?? config.token;
      const server = await serveConsole({
        connectionString: databaseUrl,
        port: options.port,
        host: options.host,
        operator: readOperator(),
        brand: config.brand,
        secretKeys: config.secretKeys,
        egress: config.egress,
        readOnly: options.readOnly === true,
        logger: createLogger(config.logLevel),
        ...(token !== null && { token }),
        ...(config.from !== null && { from: config.from }),
        ...(options.basePath !== undefined && { basePath: options.basePath }),
      });
      const stopped = untilSignal();
      if (options.json) printJson({ url: server.url });
      else print(server.url);
      printAside(`the console listens${token === null ? ', open to whoever is on this machine' : ''}; Ctrl-C stops it`);
      await stopped;
      await server.close();
    });
}

function tokenOf({ token, tokenFile }: ConsoleCommandOptions): string | null {
  if (token !== undefined && tokenFile !== undefined) throw new UsageError('give --token or --token-file, not both');
  if (tokenFile === undefined) return token ?? null;
  try {
    return readFileSync(tokenFile, 'utf8').trim();
  } catch {
    throw new UsageError(`cannot read ${tokenFile}, which --token-file names`);
  }
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
}
