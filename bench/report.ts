/** `npm run bench:report FILE`: puts the figures of a run into `bench/README.md`, between its marks. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { short } from './measure.ts';
import { barText, type Metric, reaches, rowOf } from './rows.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const [file] = positionals;
if (file === undefined) {
  console.error('npm run bench:report -- FILE: name the JSON file of a run (npm run bench -- --json FILE)');
  process.exitCode = 2;
} else insert(file);

function insert(file: string): void {
  const { metrics, machine } = JSON.parse(readFileSync(file, 'utf8')) as {
    metrics: Metric[];
    machine: Record<string, string | number>;
  };
  const readme = new URL('README.md', import.meta.url);
  const [head, tail] = ['<!-- results -->', '<!-- /results -->'] as const;
  const text = readFileSync(readme, 'utf8');
  const [from, to] = [text.indexOf(head), text.indexOf(tail)];
  if (from < 0 || to < from) throw new Error(`bench/README.md has lost its marks ${head} and ${tail}`);
  const table = [
    '| row | what | ours | baseline | ratio | bar | met |',
    '|---|---|---|---|---|---|---|',
    ...metrics.map(lineOf),
  ].join('\n');
  const where = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  const body = `${head}\n\n${where.join(', ')}.\n\n${table}\n\n`;
  writeFileSync(readme, text.slice(0, from) + body + text.slice(to));
}

function lineOf(metric: Metric): string {
  const { name, value, baseline, ratio, unit, spread, note } = metric;
  const row = rowOf(name);
  const [mine, theirs] = spread ?? [];
  const figure = (middle: number | null, range?: readonly [number, number]) => {
    if (middle === null) return '';
    return range === undefined ? short(middle) : `${short(middle)} (${short(range[0])} to ${short(range[1])})`;
  };
  const ours = value === null ? (note ?? 'not run') : `${figure(value, mine)} ${unit}`;
  const reached = reaches(metric);
  const met = reached === null ? '' : reached ? 'yes' : '**no**';
  return `| ${[`\`${name}\``, row.what, ours, figure(baseline, theirs), ratio ?? '', barText(row), met].join(' | ')} |`;
}
