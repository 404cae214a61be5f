/**
 * Breaks everything around the promise for a while, then compares three records: what the application committed (its own
 * ledger, written in the same transactions), what the receivers accepted, and what the tables say.
 *
 *   npm run test:chaos -- [--seed N] [--seconds S] [--json FILE]
 *
 * Exit code 0 only if nothing was lost, nothing came that was not committed, and every duplicate has an attempt on record
 * whose outcome was unknown.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Pool } from 'pg';
import { migrate } from '../../src/database/migrate.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { startHttpServer } from '../support/http-server.ts';
import { createDatabase } from '../support/postgres/databases.ts';
import { startPostgres } from '../support/postgres/server.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';
import { injectOne, randomFrom, type Scene, startCrew, startEnqueuerProgram, startWorkerProgram } from './faults.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string' }, seconds: { type: 'string', default: '60' }, json: { type: 'string' } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
const seconds = Number(values.seconds);
const random = randomFrom(seed);
const say = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);

const server = await startPostgres();
const url = await createDatabase(server.url, { name: 'chaos' });
await migrate(url);
const pool = new Pool({ connectionString: url });
pool.on('error', () => undefined);
await pool.query('CREATE SCHEMA chaos; CREATE TABLE chaos.ledger (id uuid PRIMARY KEY)');
await putTemplates(pool, { greeting: greetingFile });

/** Messages that receivers accepted, each time. */
const accepted: string[] = [];
const slow = () =>
  new Promise((resolve) => setTimeout(resolve, Date.now() < scene.slowUntil ? 500 : Math.random() * 20));
const mail = await startSmtpServer({
  onMessage: async (received) => {
    await slow();
    if (Math.random() < 0.02) return { code: 451, text: '4.3.0 try again' };
    accepted.push(/^Message-ID: <([0-9a-f-]{36})@/im.exec(String(received.raw))?.[1] ?? 'no id');
    return undefined;
  },
});
const hook = await startHttpServer({
  answer: async (request) => {
    await slow();
    if (Math.random() < 0.02) return { status: 503 };
    accepted.push(String(request.headers['webhook-id']));
    return { status: 204 };
  },
});

const startWorker = () =>
  startWorkerProgram({ url, smtpPort: mail.port, webhookUrl: `${hook.url}/hook`, impatient: true });
const scene: Scene = {
  server,
  url,
  random,
  slowUntil: 0,
  workers: await startCrew(3, startWorker),
  enqueuers: await startCrew(2, () => startEnqueuerProgram(url)),
};

say(`seed ${seed}, ${seconds} s of faults`);
const injected: Record<string, number> = {};
const end = Date.now() + seconds * 1000;
while (Date.now() < end) {
  await new Promise((resolve) => setTimeout(resolve, 300 + random() * 1200));
  const name = await injectOne(scene);
  injected[name] = (injected[name] ?? 0) + 1;
}
await Promise.all(scene.enqueuers.members.map((member) => member.kill('SIGKILL')));
const calmAt = Date.now();
const open = async () =>
  (
    await pool.query(
      `SELECT count(*)::int AS n FROM chaos.ledger l LEFT JOIN herald.message m USING (id) WHERE m.status IS NULL OR m.status NOT IN ('sent', 'failed')`,
    )
  ).rows[0].n;
say(`calm; ${await until(() => open().then((n) => String(n)))} messages are open`);
await until(async () => (await open()) === 0, {
  timeoutMs: 180_000,
  intervalMs: 500,
  what: 'every committed message to settle',
}).catch((error: Error) => say(error.message));
const recoveryMs = Date.now() - calmAt;

const committed = new Map<string, string>(
  (await pool.query('SELECT l.id, m.status FROM chaos.ledger l LEFT JOIN herald.message m USING (id)')).rows.map(
    (row) => [row.id, row.status],
  ),
);
const unrecorded = (
  await pool.query(
    'SELECT count(*)::int AS n FROM herald.message m LEFT JOIN chaos.ledger l USING (id) WHERE l.id IS NULL',
  )
).rows[0].n;
// A late success turns the unknown attempt into sent and says so in its detail.
const uncertain = new Set(
  (
    await pool.query(
      `SELECT message_id AS id FROM herald.attempt WHERE outcome = 'unknown' OR detail LIKE 'recorded late%' OR reason IN ('connection_lost', 'no_reply')`,
    )
  ).rows.map((row) => row.id),
);
const times = new Map<string, number>();
for (const id of accepted) times.set(id, (times.get(id) ?? 0) + 1);
const duplicates = [...times].filter(([, n]) => n > 1);
const result = {
  seed,
  seconds,
  committed: committed.size,
  delivered: times.size,
  failed: [...committed.values()].filter((status) => status === 'failed').length,
  lost: [...committed].filter(([id, status]) => status !== 'failed' && !times.has(id)).length,
  open: await open(),
  phantom: [...times.keys()].filter((id) => !committed.has(id)).length + unrecorded,
  duplicates: duplicates.reduce((sum, [, n]) => sum + n - 1, 0),
  unexplained: duplicates.filter(([id]) => !uncertain.has(id)).length,
  recoveryMs,
  faults: injected,
};

await Promise.all(scene.workers.members.map((member) => member.kill('SIGKILL')));
await Promise.all([mail.close(), hook.close(), pool.end()]);
await server.stop();
if (values.json) writeFileSync(values.json, JSON.stringify(result, null, 2));
console.log(JSON.stringify(result));
process.exitCode = result.lost + result.phantom + result.unexplained + result.open === 0 ? 0 : 1;
