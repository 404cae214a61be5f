/**
 * Breaks everything around the promise, then compares what was committed with what arrived. One command, replayable by its
 * seed; docs/reliability.md says what it proves and how. Exit code 0 only if every bound of ARCHITECTURE.md was kept.
 */
import { writeFileSync } from 'node:fs';
import { until } from '../support/wait.ts';
import { killsByProgress, mixedFaults, type Outage, oneOutage } from './acts.ts';
import { type Measured, boundsOf } from './bounds.ts';
import { compare } from './comparison.ts';
import { readJournal, type TransactionRecord } from './journal.ts';
import { readOptions, type RunOptions } from './options.ts';
import { longest, recoveryOfDatabase, recoveryOfWorkers } from './recovery.ts';
import { printReport } from './report.ts';
import { setStage, type Stage } from './stage.ts';

const workers = 3;
const enqueuers = 2;
const say = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);

async function play(stage: Stage, options: RunOptions): Promise<Outage | null> {
  if (options.outageSeconds !== null) return oneOutage(stage, options.outageSeconds, say);
  if (options.kills === null) await mixedFaults(stage, options, say);
  else await killsByProgress(stage, options, say);
  return null;
}

/** Ends what still goes on, and waits until every committed message is settled. Answers how long that took. */
async function settle(stage: Stage): Promise<number> {
  await stage.enqueuers.killAll();
  await stage.calm();
  const startedAt = Date.now();
  const open = async () => {
    const { rows } = await stage.pool.query<{ open: number }>(
      `SELECT count(*)::int AS open FROM herald.message WHERE settled_at IS NULL`,
    );
    return rows[0]?.open ?? 0;
  };
  say(`calm; ${await until(async () => String(await open()))} messages are open`);
  await until(
    async () => {
      await hurry(stage);
      return (await open()) === 0;
    },
    { timeoutMs: 180_000, intervalMs: 500, what: 'every committed message to settle' },
  ).catch(async (error: Error) => {
    say(error.message);
    await showOpen(stage);
  });
  return Date.now() - startedAt;
}

/** What holds the first ten messages that are still open: their row, their job, and the pauses. */
async function showOpen(stage: Stage): Promise<void> {
  const { rows } = await stage.pool.query<{ open: string }>(
    `SELECT jsonb_build_object('message', to_jsonb(m) - ARRAY['email', 'name', 'secrets'],
            'job', (SELECT to_jsonb(j) - 'data' FROM herald_queue.job j WHERE j.id = m.id),
            'method', (SELECT to_jsonb(method) FROM herald.method WHERE method.name = m.method)) AS open
     FROM herald.message m WHERE settled_at IS NULL ORDER BY id LIMIT 10`,
  );
  for (const { open } of rows) say(JSON.stringify(open));
}

/**
 * A delivery of unknown end is tried again after five minutes, and a paused method, sender or endpoint is probed ever
 * more rarely: this run does not wait for that. Jobs on their own, because a worker may be requeueing one with the time
 * that its message had before.
 */
async function hurry(stage: Stage): Promise<void> {
  await stage.pool.query(
    `WITH messages AS (
       UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending' AND next_attempt_at > now() + interval '1 second'
     ), jobs AS (
       UPDATE herald_queue.job SET start_after = now() WHERE state IN ('created', 'retry') AND start_after > now() + interval '1 second'
     ), senders AS (
       UPDATE herald.sender SET probe_at = now() WHERE probe_at > now() + interval '1 second'
     ), endpoints AS (
       UPDATE herald.endpoint SET probe_at = now() WHERE probe_at > now() + interval '1 second' AND NOT probing
     )
     UPDATE herald.method SET probe_at = now() WHERE probe_at > now() + interval '1 second'`,
  );
}

const options = readOptions(process.argv.slice(2));
const pauseMs = options.kills === null ? 5 : 0;
const { allParts } = options;
const stage = await setStage({ workers, enqueuers, messages: options.messages ?? undefined, pauseMs, allParts });
try {
  say(`seed ${options.seed}`);
  const outage = await play(stage, options);
  const settledMs = await settle(stage);
  const { pool, incidents } = stage;
  const comparison = await compare({
    accepted: stage.receivers.journal(),
    transactions: stage.journals().flatMap((file) => readJournal<TransactionRecord>(file)),
    pool,
  });
  const measured: Measured = {
    ...comparison,
    inFlightAtFaults: incidents.reduce((sum, incident) => sum + incident.inFlight.length, 0),
    longestRecoveryMs: {
      killedWorker: longest(await recoveryOfWorkers(pool, incidents)),
      database: longest(await recoveryOfDatabase(pool, incidents)),
    },
    attemptsPerSecondAway: outage
      ? Math.round((outage.attempts / (options.outageSeconds ?? 1) / (workers + enqueuers)) * 10) / 10
      : null,
  };
  const faults: Record<string, number> = {};
  for (const { fault } of incidents) faults[fault] = (faults[fault] ?? 0) + 1;
  const bounds = boundsOf(measured);
  const report = {
    seed: options.seed,
    ...measured,
    settledMs,
    logLines: stage.workers.logLines(),
    ...(outage && { logLinesWhileAway: outage.logLines }),
    codes: stage.workers.codes(),
    faults,
    bounds,
  };
  printReport(report, say);
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = bounds.every((bound) => bound.holds) ? 0 : 1;
} finally {
  await stage.close();
}
