/** `npm run bench`: measures pg-herald beside what its users would use instead, and prints a table of ratios. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { enqueueGroup } from './groups/enqueue.ts';
import { deliverGroup } from './groups/deliver.ts';
import type { Group } from './groups/group.ts';
import { idleGroup } from './groups/idle.ts';
import { inboxGroup } from './groups/inbox.ts';
import { latencyGroup } from './groups/latency.ts';
import { renderGroup } from './groups/render.ts';
import { historyGroup, processesGroup } from './groups/scale.ts';
import { unevenGroup } from './groups/uneven.ts';
import { smtpGroup, smtpTlsGroup } from './groups/smtp.ts';
import { webhookGroup } from './groups/webhook.ts';
import { notRun, short } from './measure.ts';
import { compilePrograms } from './programs.ts';
import { barText, type Metric, reaches, rowOf, rows } from './rows.ts';
import { machine, type Server, sizes, startServer } from './setting.ts';

const usage = `node bench/main.ts [--quick] [--only NAME]... [--json FILE] [--profile DIRECTORY]
  --quick    ends within a minute; its figures are for looking whether the benchmark works
  --only     a row, or a group of rows by its beginning ("smtp"); may be repeated
  --json     writes the figures into a file
  --profile  writes CPU profiles of the programs into a directory`;

const groups: readonly Group[] = [
  enqueueGroup,
  inboxGroup,
  deliverGroup,
  unevenGroup,
  smtpGroup,
  smtpTlsGroup,
  webhookGroup,
  latencyGroup,
  processesGroup,
  historyGroup,
  idleGroup,
  renderGroup,
];

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    json: { type: 'string' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const wanted = new Set(
  rows.map(({ name }) => name).filter((name) => values.only?.some((only) => isPart(name, only)) ?? true),
);
if (values.help) console.log(usage);
else if (wanted.size === 0) {
  console.error(`--only ${values.only?.join(' ')}: no such row; rows are ${rows.map(({ name }) => name).join(', ')}`);
  process.exitCode = 2;
} else await run();

async function run(): Promise<void> {
  const startedAt = performance.now();
  const progress = (line: string) => console.log(`  ${line}`);
  compilePrograms();
  const server = await startServer({
    size: values.quick ? sizes.quick : sizes.full,
    progress,
    profile: values.profile,
  });
  try {
    const metrics: Metric[] = [];
    for (const group of groups) metrics.push(...(await measured(group, server)));
    const report = { metrics, machine: { ...machine(server.version), quick: values.quick ? 1 : 0 } };
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
    console.table(Object.fromEntries(metrics.map(lineOf)));
    console.log(`${Math.round((performance.now() - startedAt) / 1000)} s`);
  } finally {
    await server.stop();
  }
}

async function measured(group: Group, server: Server): Promise<Metric[]> {
  const names = group.rows.filter((name) => wanted.has(name));
  if (names.length === 0) return [];
  console.log(names.join(', '));
  const startedAt = performance.now();
  try {
    return await server.use((setting) => group.run(setting, new Set(names)));
  } catch (error) {
    // One group that cannot be measured does not take the others' results away.
    console.error(error);
    process.exitCode = 1;
    return names.map((name) => notRun(name, `failed: ${error instanceof Error ? error.message : String(error)}`));
  } finally {
    console.log(`  ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  }
}

function isPart(name: string, only: string): boolean {
  return name === only || name.startsWith(`${only}.`);
}

function lineOf(metric: Metric): [string, object] {
  const { name, value, unit, baseline, ratio, note } = metric;
  const reached = reaches(metric);
  return [
    name,
    {
      ours: value === null ? (note ?? 'not run') : `${short(value)} ${unit}`,
      baseline: baseline === null ? '' : short(baseline),
      ratio: ratio ?? '',
      bar: barText(rowOf(name)),
      met: reached === null ? '' : reached ? 'yes' : 'NO',
    },
  ];
}
