/**
 * One worker under an even load for a long time: is its memory flat, and does it hold as many connections, timers and listeners
 * after as before?
 *
 *   npm run test:soak -- [--seconds 3600] [--rate 500] [--json FILE]
 *
 * Exit code 0 only if the bounds were kept, which it prints.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Pool } from 'pg';
import { migrate } from '../../src/database/migrate.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { createDatabase } from '../support/postgres/databases.ts';
import { startPostgres } from '../support/postgres/server.ts';
import type { Vitals } from '../support/vitals.ts';
import { until } from '../support/wait.ts';
import { startWorkerProgram } from './crew.ts';
import { evenLoad } from './load.ts';
import { startReceivers } from './receivers.ts';
import { judge, type Rest } from './soak-verdict.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3600' },
    rate: { type: 'string', default: '500' },
    json: { type: 'string' },
  },
});
const seconds = Number(values.seconds);
const rate = Number(values.rate);
if (!(seconds >= 60 && rate >= 1))
  throw new Error('--seconds takes 60 and more, --rate messages per second, 1 and more');
const say = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);
/** After this long without work, connections that are kept for reuse have been closed. */
const restMs = 75_000;

const folder = mkdtempSync(join(tmpdir(), 'pg-herald-soak-'));
const server = await startPostgres();
const url = await createDatabase(server.url, { name: 'soak' });
await migrate(url);
const pool = new Pool({ connectionString: url, application_name: 'soak harness' });
await putTemplates(pool, { greeting: greetingFile });
const receivers = await startReceivers(join(folder, 'accepted.jsonl'));
const { smtp, webhook } = receivers.ports();
const worker = startWorkerProgram(
  {
    url,
    smtpPort: smtp,
    webhookUrl: `http://127.0.0.1:${webhook}/hook`,
    concurrency: 50,
    impatient: true,
    vitalsSeconds: 10,
  },
  // As docs/production.md starts a worker.
  { NODE_OPTIONS: '--max-semi-space-size=8' },
);
await worker.line(/^ready/, { timeoutMs: 60_000 });

const vitals: Vitals[] = [];
let read = 0;
/** Takes in what the worker reported since the last look. */
function readVitals(): void {
  const lines = worker.stdout().split('\n').slice(0, -1);
  for (const line of lines.slice(read))
    if (line.startsWith('vitals ')) vitals.push(JSON.parse(line.slice(7)) as Vitals);
  read = lines.length;
}

async function counted(statement: string): Promise<number> {
  return (await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${statement}`)).rows[0]?.n ?? 0;
}

/** What the worker holds when it has had nothing to do for a while. */
async function atRest(): Promise<Rest> {
  await new Promise((resolve) => setTimeout(resolve, restMs));
  readVitals();
  const last = vitals.at(-1);
  if (last === undefined) throw new Error('the worker reported nothing about itself');
  const connections = await counted(`pg_stat_activity WHERE application_name LIKE 'pg-herald%'`);
  return { resources: last.resources, listeners: last.listeners, warnings: last.warnings, connections };
}

try {
  // A first short load opens what stays open.
  await evenLoad(pool, { rate, seconds: 10 });
  const before = await atRest();
  say(`${rate} messages/s for ${seconds} s; at rest: ${JSON.stringify(before)}`);
  const startedAt = Date.now();
  const enqueued = await evenLoad(pool, { rate, seconds }, async (elapsed) => {
    readVitals();
    const { rssMb, heapMb, heapTotalMb, externalMb, loopDelayMs } = vitals.at(-1) ?? {};
    const open = await counted('herald.message WHERE settled_at IS NULL');
    say(
      `${elapsed} s: rss ${rssMb} MB, heap ${heapMb} of ${heapTotalMb} MB, outside ${externalMb} MB, ${open} open, event loop late by ${Math.round(loopDelayMs ?? 0)} ms`,
    );
  });
  readVitals();
  const during = vitals.filter((each) => each.at > startedAt);
  await until(async () => (await counted('herald.message WHERE settled_at IS NULL')) === 0, {
    timeoutMs: 300_000,
    intervalMs: 1000,
    what: 'everything to settle',
  });
  const after = await atRest();
  const sent = await counted(`herald.message WHERE status = 'sent'`);
  const all = await counted('herald.message');
  const report = judge({ before, after, during, unsent: all - sent });
  say(`enqueued ${enqueued} in ${seconds} s, sent all but ${all - sent}; accepted ${await receivers.accepted()}`);
  say(
    `rss slope ${report.slopeMbPerHour} MB/hour over ${report.samples} samples (${report.firstMb} to ${report.lastMb} MB)`,
  );
  say(`at rest: before ${JSON.stringify(before)}`);
  say(`         after  ${JSON.stringify(after)}`);
  for (const { name, measured, most, holds } of report.bounds)
    say(`${holds ? 'ok   ' : 'BROKEN'} ${name}: ${measured} (at most ${most})`);
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify({ seconds, rate, enqueued, before, after, ...report }, null, 2)}\n`);
  process.exitCode = report.bounds.every((bound) => bound.holds) ? 0 : 1;
} finally {
  await worker.kill('SIGTERM');
  await Promise.all([receivers.close(), pool.end()]);
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
