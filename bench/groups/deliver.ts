/** The whole pipeline without a receiver's time: what it costs alone, beside queues that do the same work. */
import { fillAndDrain } from '../backlog.ts';
import { type Contender, compared, interleave, notRun } from '../measure.ts';
import { peerProgram, peersMissing } from '../peers.ts';
import { compiled, type Child } from '../programs.ts';
import { startRedis } from '../redis.ts';
import type { Metric } from '../rows.ts';
import { type Setting, share } from '../setting.ts';
import type { Group } from './group.ts';

export const noopConcurrency = 1000;

export const deliverGroup: Group = {
  rows: ['deliver.noop', 'deliver.guard', 'deliver.vs-graphile-worker', 'deliver.vs-bullmq'],
  async run(setting, wanted) {
    const contenders: Contender[] = [await herald(setting)];
    const missing = new Map<string, string>();
    if (wanted.has('deliver.noop')) contenders.push(await bareBoss(setting));
    if (wanted.has('deliver.guard')) contenders.push(await guarded(setting));
    for (const name of ['graphile-worker', 'bullmq'] as const) {
      if (!wanted.has(`deliver.vs-${name}`)) continue;
      const peer = await (name === 'bullmq' ? bullmq(setting) : graphile(setting));
      if (typeof peer === 'string') missing.set(`deliver.vs-${name}`, peer);
      else contenders.push(peer);
    }
    const figures = await interleave(contenders, setting.size.rounds, setting.progress);
    const metric = (row: string, baseline: string): Metric => {
      const note = missing.get(row);
      return note === undefined ? compared(row, figures, 'ours', baseline) : notRun(row, note);
    };
    return [...wanted].map((row) =>
      row === 'deliver.guard'
        ? compared(row, figures, 'guarded', 'ours')
        : metric(row, row.replace(/^deliver\.(vs-)?/, '')),
    );
  },
};

async function herald(setting: Setting): Promise<Contender> {
  return emptied('ours', setting, await setting.database());
}

/** Its guard looks a row up for each message and lets all of them go. */
async function guarded(setting: Setting): Promise<Contender> {
  const database = await setting.database();
  await database.pool.query(`
    CREATE TABLE recipients AS SELECT 'u' || i AS id, false AS suspended FROM generate_series(1, 50000) i;
    ALTER TABLE recipients ADD PRIMARY KEY (id);
    ANALYZE recipients;
    CREATE FUNCTION may_notify(recipient_id text, targets text[], labels jsonb, data jsonb) RETURNS text
    STABLE LANGUAGE sql AS $$
      SELECT 'suspended' FROM public.recipients r WHERE r.id = recipient_id AND r.suspended
    $$;
    UPDATE herald.template SET guard = 'public.may_notify'`);
  return emptied('guarded', setting, database);
}

type Database = Awaited<ReturnType<Setting['database']>>;

async function emptied(name: string, setting: Setting, { url, pool }: Database): Promise<Contender> {
  const worker = await setting.start('worker', { url, noop: { concurrency: noopConcurrency } });
  return {
    name,
    measure: (round) =>
      fillAndDrain({ pool, method: 'noop', workers: [worker] }, share(setting, round === 'warm-up' ? 10_000 : 40_000)),
  };
}

async function bareBoss(setting: Setting): Promise<Contender> {
  const { url, pool } = await setting.database();
  const boss = await setting.start('boss', { url, batchSize: 500 });
  return drained('noop', boss, {
    count: (round) => share(setting, round === 'warm-up' ? 10_000 : 60_000),
    before: () => pool.query('CHECKPOINT'),
  });
}

async function graphile(setting: Setting): Promise<Contender | string> {
  const missing = peersMissing();
  if (missing !== null) return missing;
  const { url, pool } = await setting.database();
  const peer = await setting.start(peerProgram('graphile-worker'), { url, renderer: rendererPath });
  return drained('graphile-worker', peer, {
    count: (round) => share(setting, round === 'warm-up' ? 1000 : 8000),
    before: () => pool.query('CHECKPOINT'),
  });
}

async function bullmq(setting: Setting): Promise<Contender | string> {
  const missing = peersMissing();
  if (missing !== null) return missing;
  const redis = await startRedis();
  if (redis === null) return 'not run: no redis-server';
  setting.ending(redis.stop);
  const { url, pool } = await setting.database();
  const input = { url, redisPort: redis.port, renderer: rendererPath };
  const peer = await setting.start(peerProgram('bullmq'), input);
  return drained('bullmq', peer, {
    count: (round) => share(setting, round === 'warm-up' ? 1000 : 8000),
    before: () => pool.query('CHECKPOINT'),
  });
}

const rendererPath = compiled('src/templates/render.ts');

export interface Filled {
  readonly count: (round: 'warm-up' | 'counted') => number;
  readonly before: () => Promise<unknown>;
}

/** A program that is filled and then says how fast it drained. */
export function drained(name: string, program: Child, { count, before }: Filled): Contender {
  return {
    name,
    async measure(round) {
      await program.ask('fill', count(round));
      await before();
      return program.ask<number>('drain');
    },
  };
}
