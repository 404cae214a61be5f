import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { Client } from 'pg';
import { readDevelopment, readOperator } from './config.ts';
import type { CapturedMessage } from '../console/index.ts';
import { type Development, startDevelopment } from '../development/development.ts';
import type { SyncReport } from '../development/template-watch.ts';
import { ConfigurationError } from '../errors.ts';
import type { Logger } from '../vocabulary.ts';
import { type CommonOptions, command, portNumber } from './command.ts';
import { color, explainError, print, printJson, printWrapped } from './output.ts';

interface DevOptions extends CommonOptions {
  readonly templates: string;
  readonly port: number;
  readonly remote?: boolean;
}

export function devCommand(): Command {
  return command(
    'dev',
    'Develop: a database, a worker, templates synced on save; emails and webhook calls are captured instead of sent',
    'dev',
  )
    .option('--templates <folder>', 'folder of .md files; made where there is none', 'templates')
    .option(
      '--port <n>',
      'of the web page; 0, or one that is taken, means the next best that is free',
      portNumber,
      4780,
    )
    .option('--remote', 'use the database even if it is on another machine')
    .action(develop);
}

async function develop(options: DevOptions): Promise<void> {
  const { databaseUrl, ...surroundings } = readDevelopment(options.databaseUrl);
  if (databaseUrl !== null && options.remote !== true) demandLocal(databaseUrl);
  const stopped = untilSignal();
  const say = options.json ? () => undefined : sayLine;
  const development = await startDevelopment({
    ...surroundings,
    databaseUrl,
    project: process.cwd(),
    templates: options.templates,
    port: options.port,
    operator: readOperator(),
    logger: loggerOf(say),
    onCapture: (captured) => (options.json ? printJson(captured) : sayCaptured(captured)),
    onTemplates: (report) => (options.json ? undefined : sayTemplates(report, options.templates)),
    onTemplateError: (error) => say('templates', color('red', explainError(error)?.line ?? 'cannot be read')),
  });
  if (options.json) {
    const { url, databaseUrl: database, smtpPort, webhookUrl } = development;
    printJson({ url, databaseUrl: database, smtpPort, webhookUrl });
  } else introduce(development);
  await stopped;
  await development.stop();
}

const local = new Set(['', 'localhost', '127.0.0.1', '[::1]']);

function demandLocal(databaseUrl: string): void {
  const { hostname, searchParams } = new URL(databaseUrl);
  const host = searchParams.get('host') ?? hostname;
  if (local.has(host) || host.startsWith('/')) return;
  throw new ConfigurationError(
    'DATABASE_URL',
    `is on ${host}: what waits there would be captured here instead of sent. If that is what you want, add --remote`,
  );
}

/** Which database it is: never user or password. */
function placeOf(databaseUrl: string): string {
  const { host, port, database } = new Client({ connectionString: databaseUrl });
  return `${database ?? ''} on ${host}, port ${port}`;
}

function sayLine(who: string, text: string): void {
  printWrapped(`${color('dim', new Date().toTimeString().slice(0, 8))}  ${color('cyan', who.padEnd(9))}  ${text}`, 21);
}

/** What matters while developing. Attempts are seen by what is captured. */
function loggerOf(say: (who: string, text: string) => void): Logger {
  const told = (fields: object, message: string) => {
    const more = Object.entries(fields).filter(([, value]) => ['string', 'number'].includes(typeof value));
    say('worker', `${color('yellow', message)} ${more.map(([name, value]) => `${name}=${String(value)}`).join(' ')}`);
  };
  return { debug: () => undefined, info: () => undefined, warn: told, error: told };
}

function sayCaptured({ kind, to, title, messageId }: CapturedMessage): void {
  sayLine(
    kind,
    `${color('green', 'captured')} ${title} -> ${to}${messageId === null ? '' : color('dim', `  ${messageId}`)}`,
  );
}

function sayTemplates({ templates, changes, issues }: SyncReport, folder: string): void {
  const where = relative(process.cwd(), resolve(folder)) || '.';
  for (const { name, version, change } of changes) sayLine('templates', `${name} v${version}: ${change}`);
  for (const { path, severity, message } of issues)
    sayLine('templates', `${color(severity === 'error' ? 'red' : 'yellow', severity)} ${where}/${path}: ${message}`);
  if (issues.some(({ severity }) => severity === 'error'))
    sayLine('templates', 'the last good version of what is wrong stays in use');
  if (templates === 0 && issues.length === 0)
    sayLine('templates', `none in ${where} yet: save one there, for example welcome.md`);
}

function introduce({ url, databaseUrl, databaseDescription, smtpPort, otherWorkers }: Development): void {
  if (databaseDescription !== null) {
    sayLine('database', databaseDescription);
    print(`\n  export DATABASE_URL=${databaseUrl}`);
  } else sayLine('database', placeOf(databaseUrl));
  if (otherWorkers > 0)
    sayLine(
      'worker',
      color('red', `${otherWorkers} more on this database: what they take first is really sent; stop them`),
    );
  print(`\n  ${color('bold', url)}\n`);
  sayLine(
    'ready',
    `emails and webhook calls are captured, nothing leaves this machine. SMTP for your own emails: 127.0.0.1:${smtpPort}. Ctrl-C stops`,
  );
}

/** The first signal stops in order, the second at once: the database is then stopped by its watchdog. */
function untilSignal(): Promise<void> {
  return new Promise((stop) => {
    let again = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (again) process.exit(130);
        again = true;
        stop();
      });
  });
}
