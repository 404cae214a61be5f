/** Prints how the source measures up: files, function lengths, cycles, doc comments. `npm run measure [-- PART ...]` lists what to improve. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { importCycles, percentile, readSourceFiles } from '../test/support/source-files.ts';

const parts = process.argv.slice(2);
const all = readSourceFiles();
const files = parts.length === 0 ? all : all.filter((file) => parts.some((part) => file.path.startsWith(part)));
const functions = files.flatMap((file) => file.functions.map((f) => ({ ...f, path: file.path })));
const lengths = functions.map((f) => f.lines);
const exported = files.flatMap((file) => file.exports.map((e) => ({ ...e, path: file.path })));
const bare = exported.filter((e) => !e.documented);
const fileLines = files.map((file) => file.text.split('\n').length - 1);
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
const summary = {
  files: files.length,
  lines: sum(fileLines),
  'file lines, median/p90/max': [0.5, 0.9, 1].map((share) => percentile(fileLines, share)).join(' / '),
  'named functions': functions.length,
  'function lines, median/p90/p99/max': [0.5, 0.9, 0.99, 1].map((share) => percentile(lengths, share)).join(' / '),
  'functions over 60 lines': lengths.filter((lines) => lines > 60).length,
  'import cycles, types included': importCycles(files).length,
  'exports without a doc comment': `${bare.length} of ${exported.length}`,
  'lines over 120 columns': files.flatMap((file) => file.text.split('\n')).filter((line) => line.length > 120).length,
  'README lines / words': (() => {
    const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    return `${text.split('\n').length - 1} / ${text.split(/\s+/).filter(Boolean).length}`;
  })(),
  'SQL lines': Number(
    execFileSync('sh', ['-c', 'git ls-files "*.sql" | xargs cat | wc -l'], {
      cwd: new URL('..', import.meta.url),
      encoding: 'utf8',
    }).trim(),
  ),
};
for (const [name, value] of Object.entries(summary)) console.log(`${name.padEnd(38)}${value}`);
if (parts.length > 0) {
  for (const f of functions.filter((f) => f.lines > 40))
    console.log(`${f.path}:${f.line} ${f.name} has ${f.lines} lines`);
  for (const cycle of importCycles(all)) console.log(`cycle: ${cycle}`);
  for (const e of bare) console.log(`${e.path}:${e.line} ${e.name} has no doc comment`);
}
