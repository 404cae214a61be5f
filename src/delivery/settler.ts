/**
 * Gathers what ended and settles it in batches: while one batch is being written the next one gathers, so a single
 * result is written at once and a burst in few statements. A batch that cannot be written is tried again for as long
 * as this worker lives: a result that was lost here would be a second mail.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../database/statements.ts';
import type { Logger } from '../vocabulary.ts';
import type { LeasedJob, PostponedJob, Queue } from '../queue/queue.ts';
import type { Outage } from './database-errors.ts';
import { createReleases, type Releases } from './jobs/remove.ts';
import { type Settled, type Settlement, settle } from './settle.ts';

export interface Settler {
  /** Resolves when the result is recorded; its job is gone or moved then, or goes in a moment. */
  add(settlement: Settlement, job: LeasedJob): Promise<void>;
  /** Resolves when the jobs of what was recorded are gone. */
  flush(): Promise<void>;
  /** Gives up on batches that cannot be written, after logging what was delivered but not recorded. */
  abandon(): void;
}

interface Entry {
  readonly settlement: Settlement;
  readonly job: LeasedJob;
  readonly done: () => void;
}

export interface SettlerOptions {
  readonly method: string;
  readonly worker: string;
  readonly database: Database;
  readonly queue: Queue;
  readonly logger: Logger;
  readonly outage: Outage;
}

const batchLimit = 500;
/** Longest wait between two tries: results that come late are taken for lost by whoever takes over. */
const longestWaitMs = 1000;

export function createSettler(options: SettlerOptions): Settler {
  const waiting: Entry[] = [];
  let writing = false;
  let abandoned = false;
  const releases = createReleases(options);

  async function write(): Promise<void> {
    if (writing) return;
    writing = true;
    // Everything that ends in this turn of the event loop goes into one batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchLimit);
      await record(batch);
      for (const entry of batch) entry.done();
    }
    writing = false;
  }

  async function record(batch: readonly Entry[]): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        const settled = await settle(
          batch.map((entry) => entry.settlement),
          options,
        );
        await releaseJobs({ ...options, releases }, batch, settled);
        return;
      } catch (error) {
        if (abandoned) return logUnrecorded(options.logger, batch);
        options.outage.report(error, 'cannot record results, trying again', { method: options.method });
        await sleep(Math.min(100 * 2 ** failures, longestWaitMs));
      }
    }
  }

  return {
    add: (settlement, job) =>
      new Promise((resolve) => {
        waiting.push({ settlement, job, done: resolve });
        void write();
      }),
    flush: () => releases.flush(),
    abandon() {
      abandoned = true;
    },
  };
}

/** After the message, never before: a job that outlives its message's settlement is harmless, the reverse is a loss. */
async function releaseJobs(
  {
    method,
    queue,
    outage,
    releases,
  }: Pick<SettlerOptions, 'method' | 'queue' | 'outage'> & { readonly releases: Releases },
  batch: readonly Entry[],
  settled: readonly Settled[],
): Promise<void> {
  const sent: LeasedJob[] = [];
  // An operator may retry them at once, and then a job that is still there would stand in for the one they need.
  const finished: LeasedJob[] = [];
  const moved: PostponedJob[] = [];
  batch.forEach(({ job }, index) => {
    const state = settled[index];
    if (state === undefined || state.status === 'lost') return;
    if (state.status === 'pending' && 'nextAttemptAt' in state)
      moved.push({ ...job, priority: state.priority, startAfter: state.nextAttemptAt });
    else (state.status === 'sent' ? sent : finished).push(job);
  });
  releases.add(sent);
  try {
    await Promise.all([queue.finish(method, finished), queue.postpone(method, moved)]);
  } catch (error) {
    // The lease runs out by itself, and the message row then tells the next worker that there is nothing to do yet.
    outage.report(error, 'jobs not released, their leases will run out', { method });
  }
}

function logUnrecorded(logger: Logger, batch: readonly Entry[]): void {
  for (const { settlement } of batch)
    logger.error(
      {
        messageId: settlement.messageId,
        attempt: settlement.attempt,
        outcome: settlement.result.outcome,
        replyCode: settlement.result.reply?.code,
      },
      'delivered but unrecorded: the database was away until this worker had to stop',
    );
}
