/**
 * A rolling upgrade under load: the earlier release's workers and applications go on while `migrate` of this release runs, then
 * workers of both run side by side, then only the new ones are left. Nothing is lost, nothing arrives twice, no call waits long.
 *
 *   npm run test:upgrade -- [--json FILE]
 *
 * The earlier release is the latest tag. Before the first release there is none: the run then says so and ends with exit code 0, and
 * `npm run migrations:check` upgrades the states in test/database/landed. Otherwise the exit code is 0 only if the bounds were kept.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Pool } from 'pg';
import { migrate } from '../../src/database/migrate.ts';
import { greetingFile } from '../support/application.ts';
import { createDatabase } from '../support/postgres/databases.ts';
import { startPostgres } from '../support/postgres/server.ts';
import { until } from '../support/wait.ts';
import type { Bound } from './bounds.ts';
import { compare } from './comparison.ts';
import { startWorkerProgram } from './crew.ts';
import { earlierRelease, type EarlierRelease } from './earlier-release.ts';
import { watchEnqueue } from './enqueue-watch.ts';
import { wait } from './faults/fault.ts';
import { startReceivers } from './receivers.ts';

/** Messages that are in the table when it is migrated: rows for new indexes and columns. */
const standing = 50_000;
/** How long each stage of the upgrade goes on. */
const stageMs = 6000;
const say = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);

const { values } = parseArgs({ options: { json: { type: 'string' } } });
const earlier = await earlierRelease();
if (earlier === null) say('skipped: there is no release yet, or this clone has no tags (git fetch --tags)');
else process.exitCode = (await upgrade(earlier).finally(() => earlier.remove())) ? 0 : 1;

async function upgrade(old: EarlierRelease): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'pg-herald-upgrade-'));
  const server = await startPostgres();
  const url = await createDatabase(server.url, { name: 'upgrade' });
  const pool = new Pool({ connectionString: url });
  const receivers = await startReceivers(join(folder, 'accepted.jsonl'));
  const { smtp, webhook } = receivers.ports();
  const program = { url, smtpPort: smtp, webhookUrl: `http://127.0.0.1:${webhook}/hook`, impatient: true };
  try {
    say(`the earlier release is ${old.commit.slice(0, 10)}`);
    await prepare(old, { url, pool, folder });
    const oldWorkers = [1, 2].map(() =>
      old.start('test/delivery/worker-program.ts', { HERALD_TEST_WORKER: JSON.stringify(program) }),
    );
    const applications = [1, 2].map((n) =>
      old.start('test/chaos/programs/enqueuer.ts', {
        CHAOS_ENQUEUER: JSON.stringify({ url, journal: join(folder, `application-${n}.jsonl`), pauseMs: 5 }),
      }),
    );
    await Promise.all([...oldWorkers, ...applications].map((each) => each.line(/ready/, { timeoutMs: 60_000 })));
    const watch = watchEnqueue(url);
    await wait(stageMs);
    const calm = watch.longestMs();

    const startedAt = Date.now();
    const { applied } = await migrate(url);
    const migrateMs = Date.now() - startedAt;
    const during = watch.longestMs();
    say(`migrate took ${migrateMs} ms over ${standing} standing messages: ${applied.join(', ')}`);
    say(`longest enqueuing transaction: ${calm} ms before, ${during} ms while it ran`);

    const byOld = await grows(() => receivers.accepted(), stageMs);
    say(`old workers delivered ${byOld} messages on the new schema`);
    const newWorkers = [1, 2].map(() => startWorkerProgram(program));
    await Promise.all(newWorkers.map((each) => each.line(/ready/, { timeoutMs: 60_000 })));
    const together = await grows(() => receivers.accepted(), stageMs);
    await Promise.all(oldWorkers.map((each) => each.kill('SIGTERM')));
    const byNew = await grows(() => receivers.accepted(), stageMs);
    say(`both together ${together}, the new ones alone ${byNew}`);

    await Promise.all(applications.map((each) => each.kill('SIGKILL')));
    await watch.end();
    await pool.query(`DELETE FROM herald.message WHERE recipient_id LIKE 'standing-%'`);
    await until(async () => (await pool.query('SELECT FROM herald.message WHERE settled_at IS NULL')).rowCount === 0, {
      timeoutMs: 60_000,
      intervalMs: 200,
      what: 'everything to settle',
    });
    await Promise.all(newWorkers.map((each) => each.kill('SIGTERM')));
    const comparison = await compare({ accepted: receivers.journal(), transactions: [], pool });
    const bound = (name: string, measured: number, most: number): Bound => ({
      name,
      measured,
      most,
      holds: measured <= most,
    });
    const bounds = [
      bound('lost', comparison.lost, 0),
      bound('phantoms', comparison.phantom, 0),
      bound('not settled as sent', comparison.unsettled, 0),
      bound('duplicates', comparison.duplicates, 0),
      bound('ms that an enqueuing transaction took while migrate ran', during, 2000),
      bound('stages in which nothing was delivered', [byOld, together, byNew].filter((count) => count === 0).length, 0),
    ];
    say(`${comparison.committed} committed, ${comparison.delivered} delivered`);
    for (const { name, measured, most, holds } of bounds)
      say(`${holds ? 'ok   ' : 'BROKEN'} ${name}: ${measured} (at most ${most})`);
    const report = {
      commit: old.commit,
      applied,
      standing,
      migrateMs,
      longestMs: { calm, during },
      ...comparison,
      bounds,
    };
    if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
    return bounds.every((each) => each.holds);
  } finally {
    await Promise.all([receivers.close(), pool.end()]);
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The database as the earlier release made it, with a template and many messages that are not due yet. */
async function prepare(
  old: EarlierRelease,
  { url, pool, folder }: { readonly url: string; readonly pool: Pool; readonly folder: string },
): Promise<void> {
  const templates = join(folder, 'templates');
  mkdirSync(templates);
  writeFileSync(join(templates, 'greeting.md'), greetingFile);
  await old.cli(['migrate'], url);
  await old.cli(['templates', 'sync', templates], url);
  await pool.query(
    'CREATE SCHEMA chaos; CREATE TABLE chaos.ledger (id uuid PRIMARY KEY); CREATE TABLE chaos.counter AS SELECT 0 AS transactions',
  );
  for (let from = 0; from < standing; from += 5000)
    await pool.query(
      `SELECT count(*) FROM herald.enqueue(jsonb_build_object('template', 'greeting', 'labels', '{"who": "x"}'::jsonb, 'delaySeconds', 86400, 'methods', '["smtp"]'::jsonb,
         'to', (SELECT jsonb_agg(jsonb_build_object('id', 'standing-' || i, 'email', 'u' || i || '@example.com')) FROM generate_series($1::int, $2::int) i)))`,
      [from, from + 4999],
    );
}

/** How much a count grows in this time. */
async function grows(count: () => Promise<number>, ms: number): Promise<number> {
  const before = await count();
  await wait(ms);
  return (await count()) - before;
}
