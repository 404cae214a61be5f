/** What is measured, and what it must reach. */

export interface Row {
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  readonly bar: Bar;
}

/** `ratio`: ours divided by the baseline. `value`: ours as it is. */
export type Bar = { readonly of: 'ratio' | 'value' } & ({ readonly least: number } | { readonly most: number });

const atLeast = (least: number): Bar => ({ of: 'ratio', least });

export const rows: readonly Row[] = [
  {
    name: 'enqueue.one',
    what: 'one enqueue in an open transaction, with dedupe key and preferences / a bare insert into the same table',
    unit: 'ms',
    bar: { of: 'ratio', most: 2.5 },
  },
  {
    name: 'enqueue.bulk',
    what: 'one call with 10,000 recipients / a raw INSERT ... SELECT of the same message rows',
    unit: 'rows/s',
    bar: atLeast(0.35),
  },
  {
    name: 'enqueue.inbox',
    what: 'one enqueue by smtp and inbox / the same by smtp alone',
    unit: 'ms',
    bar: { of: 'ratio', most: 1.3 },
  },
  {
    name: 'inbox.count',
    what: 'p99 of the exact count of 20,000 unread items of one reader, of 1,000,000 in all',
    unit: 'ms',
    bar: { of: 'value', most: 5 },
  },
  {
    name: 'inbox.list',
    what: 'p99 of one page of the same, with the counts, rendered',
    unit: 'ms',
    bar: { of: 'value', most: 10 },
  },
  {
    name: 'deliver.noop',
    what: 'the whole pipeline with a dispatcher that only answers / bare pg-boss draining empty jobs',
    unit: 'messages/s',
    bar: atLeast(0.35),
  },
  {
    name: 'deliver.guard',
    what: 'with a guard that looks up a row for each message / without',
    unit: 'messages/s',
    bar: atLeast(0.85),
  },
  {
    name: 'deliver.vs-graphile-worker',
    what: 'the same work / graphile-worker',
    unit: 'messages/s',
    bar: atLeast(3),
  },
  { name: 'deliver.vs-bullmq', what: 'the same work / BullMQ on Redis', unit: 'messages/s', bar: atLeast(3) },
  {
    name: 'deliver.uneven',
    what: 'one receiver in 50 takes 5 s / none does',
    unit: 'messages/s',
    bar: atLeast(0.8),
  },
  {
    name: 'smtp.pool',
    what: "everything, one process / nodemailer's pool alone with ready content",
    unit: 'messages/s',
    bar: atLeast(0.8),
  },
  {
    name: 'smtp.connect-per-message',
    what: 'everything, one process / nodemailer with a connection per message',
    unit: 'messages/s',
    bar: atLeast(1.1),
  },
  {
    name: 'smtp.connect-per-message-tls',
    what: 'the same with STARTTLS',
    unit: 'messages/s',
    bar: atLeast(3),
  },
  {
    name: 'webhook.raw',
    what: 'signed webhooks, everything, one process / a bare loop of undici.request',
    unit: 'messages/s',
    bar: atLeast(0.2),
  },
  { name: 'latency.idle.p50', what: 'commit to bytes at the sink', unit: 'ms', bar: { of: 'value', most: 15 } },
  { name: 'latency.idle.p99', what: 'the same', unit: 'ms', bar: { of: 'value', most: 50 } },
  {
    name: 'latency.loaded.p99',
    what: 'the same under half of the maximum rate',
    unit: 'ms',
    bar: { of: 'value', most: 250 },
  },
  {
    name: 'scale.processes',
    what: 'two worker processes / one, each message waits 5 ms',
    unit: 'messages/s',
    bar: atLeast(1.8),
  },
  {
    name: 'scale.history',
    what: 'with 2,000,000 settled messages / with none, of a backlog of 200,000',
    unit: 'messages/s',
    bar: atLeast(0.85),
  },
  {
    name: 'load.rss',
    what: 'memory of a worker that drains 200,000, at most',
    unit: 'MB',
    bar: { of: 'value', most: 250 },
  },
  {
    name: 'load.rss.growth',
    what: 'its last quarter less its second quarter (medians)',
    unit: 'MB',
    bar: { of: 'value', most: 25 },
  },
  {
    name: 'idle.queries',
    what: 'round trips to Postgres of an idle worker with all methods',
    unit: '/s',
    bar: { of: 'value', most: 2 },
  },
  { name: 'idle.rss', what: 'memory of the same', unit: 'MB', bar: { of: 'value', most: 120 } },
  {
    name: 'render.languages',
    what: 'emails of one version in 12 languages / the same emails of 12 versions in one language each',
    unit: 'emails/s',
    bar: atLeast(0.95),
  },
];

/** What came out of one row. */
export interface Metric {
  readonly name: string;
  /** Median of ours; null: not run. */
  readonly value: number | null;
  readonly unit: string;
  /** Median of what it is compared with; null where there is nothing. */
  readonly baseline: number | null;
  readonly ratio: number | null;
  /** Smallest and largest of ours, then of the baseline. */
  readonly spread?: readonly (readonly [number, number])[];
  /** Why it was not run, or what else there is to say. */
  readonly note?: string;
}

export function rowOf(name: string): Row {
  const row = rows.find((each) => each.name === name);
  if (row === undefined) throw new Error(`no row "${name}"`);
  return row;
}

/** Whether a metric reaches its row's bar; null if it was not run. */
export function reaches({ name, value, ratio }: Metric): boolean | null {
  const { bar } = rowOf(name);
  const measured = bar.of === 'ratio' ? ratio : value;
  if (measured === null) return null;
  return 'least' in bar ? measured >= bar.least : measured <= bar.most;
}

export function barText({ bar }: Row): string {
  return 'least' in bar ? `>= ${bar.least}` : `<= ${bar.most}`;
}
