/** What a run does to the scene: mixed faults by a schedule, kills by progress, or one long outage. */
import { until } from '../support/wait.ts';
import type { Fault } from './faults/fault.ts';
import { faults } from './faults/all.ts';
import { wait } from './faults/fault.ts';
import { killWorker } from './faults/workers.ts';
import type { RunOptions } from './options.ts';
import { randomFrom } from './random.ts';
import { schedule } from './schedule.ts';
import { inFlight, type Stage } from './stage.ts';

export type Say = (text: string) => void;

/** Injects one fault and keeps what is needed to judge the run. */
async function injectInto(stage: Stage, fault: Fault, seed: number): Promise<boolean> {
  const at = Date.now();
  const injected = await fault.inject(stage, randomFrom(seed));
  if (injected === null) return false;
  const until = Date.now() + (injected.lastsMs ?? 0);
  stage.incidents.push({ fault: fault.name, touched: fault.touched, at, until, inFlight: injected.inFlight ?? [] });
  return true;
}

/** Faults of every kind until time is up. */
export async function mixedFaults(stage: Stage, { seed, seconds }: RunOptions, say: Say): Promise<void> {
  const end = Date.now() + seconds * 1000;
  for (const step of schedule(seed, faults)) {
    await wait(step.afterMs);
    if (Date.now() > end) return;
    await injectInto(stage, step.fault, step.seed).catch((error: unknown) =>
      say(`"${step.fault.name}" could not be injected: ${error instanceof Error ? error.message : String(error)}`),
    );
  }
}

/** So many kills, each when its share of the messages has arrived. */
export async function killsByProgress(stage: Stage, options: RunOptions, say: Say): Promise<void> {
  const { kills, messages, seed } = options;
  const total = messages ?? 0;
  const random = randomFrom(seed);
  // So that a kill finds many messages in flight.
  await stage.receivers.behave('busy');
  for (let done = 0; done < (kills ?? 0); ) {
    const share = Math.floor((total * (done + 0.5)) / (kills ?? 1));
    await until(async () => (await stage.receivers.accepted()) >= share, {
      timeoutMs: 600_000,
      intervalMs: 20,
      what: `${share} messages to arrive`,
    });
    // Those who were just started are not ready yet.
    if (!(await injectInto(stage, killWorker, Math.floor(random() * 2 ** 32)))) {
      await wait(100);
      continue;
    }
    done += 1;
    if (done % 10 === 0) say(`${done} kills, ${await stage.receivers.accepted()} arrived`);
  }
  await until(() => stage.enqueuers.members.every(({ program }) => !program.running()), {
    timeoutMs: 600_000,
    intervalMs: 100,
    what: 'the enqueuers to commit their share',
  });
}

export interface Outage {
  /** Connection attempts of workers and enqueuers. */
  readonly attempts: number;
  readonly logLines: number;
}

/** The database crashes, and no connection reaches it for a while. */
export async function oneOutage(stage: Stage, seconds: number, say: Say): Promise<Outage> {
  await wait(5000);
  const { database } = stage.proxies;
  const before = { attempts: database.attempts().all, logLines: stage.workers.logLines() };
  const at = Date.now();
  database.away(true);
  await stage.server.restart('immediate');
  const caught = await inFlight(stage);
  say(`the database is away, ${caught.length} messages are in flight`);
  await wait(Math.max(0, at + seconds * 1000 - Date.now()));
  database.away(false);
  stage.incidents.push({
    fault: `the database unreachable for ${seconds} s`,
    touched: 'database',
    at,
    until: Date.now(),
    inFlight: caught,
  });
  say('the database is back');
  const outage = {
    attempts: database.attempts().all - before.attempts,
    logLines: stage.workers.logLines() - before.logLines,
  };
  await wait(10_000);
  return outage;
}
