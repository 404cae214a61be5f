/** The rules of the house that a compiler does not check: imports go one way, one library has one home, bounded files. */
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { wideLinesOfProse } from './support/prose-lines.ts';
import { importCycles, partOf, percentile, readSourceFiles } from './support/source-files.ts';

const files = readSourceFiles();

/** Who may import whom. Anything that is not listed here fails, so a new part has to be placed on purpose. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  vocabulary: [],
  errors: [],
  'email-address': [],
  'node-version': ['errors'],
  'optional-package': ['errors'],
  lru: [],
  printable: [],
  batcher: [],
  'node-listener': [],
  'bounded-body': [],
  secrets: ['errors'],
  'return-address': ['errors'],
  telemetry: [],
  queue: ['vocabulary', 'errors'],
  database: ['vocabulary', 'errors', 'optional-package', 'queue'],
  guard: ['vocabulary', 'errors', 'database'],
  templates: ['vocabulary', 'errors', 'lru', 'database', 'guard'],
  tenants: ['vocabulary', 'errors', 'lru', 'templates'],
  dispatch: [
    'vocabulary',
    'errors',
    'optional-package',
    'email-address',
    'lru',
    'batcher',
    'bounded-body',
    'secrets',
    'return-address',
    'database',
    'templates',
  ],
  reports: ['vocabulary', 'errors', 'printable', 'bounded-body', 'return-address', 'database', 'dispatch'],
  enqueue: ['vocabulary', 'errors', 'email-address', 'secrets', 'telemetry', 'database', 'templates'],
  recipients: [
    'vocabulary',
    'errors',
    'lru',
    'bounded-body',
    'secrets',
    'node-listener',
    'templates',
    'tenants',
    'dispatch',
  ],
  operate: [
    'vocabulary',
    'errors',
    'email-address',
    'secrets',
    'queue',
    'database',
    'guard',
    'templates',
    'tenants',
    'enqueue',
    'dispatch',
  ],
  delivery: [
    'vocabulary',
    'errors',
    'printable',
    'secrets',
    'lru',
    'batcher',
    'telemetry',
    'queue',
    'database',
    'guard',
    'templates',
    'tenants',
    'dispatch',
    'recipients',
    'operate',
  ],
  inbox: [
    'vocabulary',
    'errors',
    'lru',
    'bounded-body',
    'node-listener',
    'database',
    'templates',
    'tenants',
    'dispatch',
    'enqueue',
  ],
  testing: [
    'vocabulary',
    'errors',
    'secrets',
    'database',
    'guard',
    'templates',
    'tenants',
    'dispatch',
    'recipients',
    'inbox',
  ],
  console: [
    'vocabulary',
    'errors',
    'node-listener',
    'recipients',
    'lru',
    'inbox',
    'printable',
    'secrets',
    'database',
    'guard',
    'queue',
    'templates',
    'tenants',
    'enqueue',
    'operate',
    'delivery',
    'dispatch',
  ],
  development: [
    'vocabulary',
    'errors',
    'node-listener',
    'recipients',
    'optional-package',
    'printable',
    'secrets',
    'database',
    'guard',
    'templates',
    'dispatch',
    'operate',
    'delivery',
    'console',
  ],
  cli: [
    'vocabulary',
    'errors',
    'optional-package',
    'printable',
    'node-version',
    'email-address',
    'secrets',
    'queue',
    'database',
    'guard',
    'templates',
    'tenants',
    'dispatch',
    'enqueue',
    'operate',
    'inbox',
    'delivery',
    'console',
    'development',
    'recipients',
    'reports',
  ],
  // In the browser nothing of the server is there.
  'inbox-client': [],
  index: [
    'vocabulary',
    'errors',
    'node-version',
    'secrets',
    'telemetry',
    'database',
    'guard',
    'queue',
    'templates',
    'dispatch',
    'enqueue',
    'operate',
    'delivery',
    'console',
    'recipients',
  ],
};

/** The only places where a library may be used. */
const homes: Readonly<Record<string, RegExp>> = {
  'pg-boss': /^queue\//,
  nodemailer: /^dispatch\/smtp\//,
  handlebars: /^templates\//,
  'markdown-it': /^templates\//,
  yaml: /^templates\//,
  undici: /^dispatch\//,
  commander: /^cli\//,
  hono: /^(console|recipients)\//,
  'smtp-server': /^development\//,
  '@opentelemetry/sdk-metrics': /^cli\//,
  '@opentelemetry/exporter-prometheus': /^cli\//,
  '@hono/node-server': /^node-listener/,
  react: /^inbox-client\/react\.ts$/,
};

/** Functions that may be longer, each with its bound. */
const longer = new Map([['createPump', 120]]);

/** Words that mean something else elsewhere, or nothing. */
const bannedWords = [
  ...['pulse', 'solitude', 'lanes', 'lane', 'flight', 'flights', 'ledger', 'learned', 'settler', 'bury', 'rescue'],
  ...[
    'rests',
    'resting',
    'reserve',
    'places',
    'verdict',
    'keeping',
    'kept',
    'switches',
    'conceal',
    'reveal',
    'charged',
  ],
  ...['catches', 'janitor', 'visitor', 'patience', 'skeleton', 'horizon'],
];
const bannedNames = new Set([
  'handOver',
  'gaveUp',
  'Ended',
  'Wish',
  'Want',
  'Turn',
  'Doubt',
  'Means',
  'Tools',
  'Parts',
  'Lot',
  'echo',
  'beat',
]);

/** `leaseAhead` and `lease-ahead` are the words `lease` and `ahead`; "in flight" is a standard term. */
function wordsOf(name: string): string[] {
  return name
    .replace(/in-?flight/gi, '')
    .split(/[^A-Za-z]+|(?<=[a-z])(?=[A-Z])/)
    .filter(Boolean)
    .map((word) => word.toLowerCase());
}

describe('the architecture', () => {
  test('looks at the real source', () => {
    expect(files.length).toBeGreaterThan(30);
  });

  test('lets imports go one way only, between the parts that are listed', () => {
    const wrong = files.flatMap((file) =>
      file.imports
        .filter(({ path }) => partOf(path) !== file.part && !mayImport[file.part]?.includes(partOf(path)))
        .map(({ path }) => `${file.path} -> ${path}`),
    );
    expect(wrong).toEqual([]);
  });

  test('has no import cycle between files, types included', () => {
    expect(importCycles(files)).toEqual([]);
  });

  test('keeps each outside library in its home', () => {
    const wrong = files.flatMap((file) =>
      file.libraries
        .map((library) => library.match(/^(@[^/]+\/[^/]+|[^/]+)/)?.[0] ?? library)
        .filter((library) => homes[library] !== undefined && !homes[library].test(file.path))
        .map((library) => `${file.path} uses ${library}`),
    );
    expect(wrong).toEqual([]);
  });

  test('reads the environment in cli/config.ts only, and prints and exits in cli/ only', () => {
    const wrong = files.flatMap((file) => [
      ...(/\bprocess\.env\b/.test(file.text) && file.path !== 'cli/config.ts'
        ? [`${file.path} reads process.env`]
        : []),
      ...(/\bconsole\.\w+\(|\bprocess\.exit\b/.test(file.text) && !file.path.startsWith('cli/')
        ? [`${file.path} prints or exits`]
        : []),
    ]);
    expect(wrong).toEqual([]);
  });

  test('bounds files to 300 lines and uses no any, no ts-ignore and no default export', () => {
    const wrong = files.flatMap((file) => [
      // The tables are one file, because host applications re-export it as one.
      ...(file.text.split('\n').length > 301 && !file.path.endsWith('database/schema.ts')
        ? [`${file.path} has ${file.text.split('\n').length} lines`]
        : []),
      ...(/[:<,|&(]\s*any\b(?!\w)|\bas any\b|@ts-(ignore|expect-error|nocheck)/.test(
        file.text.replace(/^\s*(\*|\/\/|\/\*).*$/gm, ''),
      )
        ? [`${file.path} escapes the types`]
        : []),
      ...(/^export default/m.test(file.text) ? [`${file.path} has a default export`] : []),
    ]);
    expect(wrong).toEqual([]);
  });

  test('keeps functions short: none over 60 lines, and nine in ten within 20', () => {
    const functions = files.flatMap((file) => file.functions.map((f) => ({ ...f, path: file.path })));
    const long = functions.filter((f) => f.lines > (longer.get(f.name) ?? 60));
    expect(long.map((f) => `${f.path}:${f.line} ${f.name} has ${f.lines} lines`)).toEqual([]);
    const lengths = functions.map((f) => f.lines);
    expect(percentile(lengths, 0.9)).toBeLessThanOrEqual(20);
  });

  test('shows the seven steps of a delivery on one screen', () => {
    const text = files.find((file) => file.path === 'delivery/deliver.ts')?.text ?? '';
    const lines = text.split('\n');
    const firstCall = (step: string) => lines.findIndex((line) => new RegExp(`\\b${step}\\(`).test(line));
    const steps = ['admit', 'begin', 'render', 'dispatch', 'decide', 'settle', 'react'];
    const places = steps.map(firstCall);
    expect(steps.filter((_, index) => places[index] === -1)).toEqual([]);
    expect(Math.max(...places) - Math.min(...places)).toBeLessThan(60);
  });

  test('documents every export', () => {
    const bare = files.flatMap((file) =>
      file.exports.filter((e) => !e.documented).map((e) => `${file.path}:${e.line} ${e.name}`),
    );
    expect(bare).toEqual([]);
  });

  test('keeps lines within 120 columns, comments, SQL in strings and pages of documentation included', () => {
    const wide = files.flatMap((file) =>
      file.text.split('\n').flatMap((line, index) => (line.length > 120 ? [`${file.path}:${index + 1}`] : [])),
    );
    expect([...wide, ...wideLinesOfProse()]).toEqual([]);
  });

  test('declares no name that only this project would understand', () => {
    const words = new Set(bannedWords);
    const wrong = files.flatMap((file) =>
      file.declared
        .filter(
          (name) => wordsOf(name.replace(/in_?flight/i, '')).some((word) => words.has(word)) || bannedNames.has(name),
        )
        .map((name) => `${file.path}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('gives each file of a part a name of its own', () => {
    const seen = new Map<string, string>();
    const twice = files.flatMap((file) => {
      const key = `${file.part}/${basename(file.path)}`;
      const other = seen.get(key);
      seen.set(key, file.path);
      return other === undefined || basename(file.path) === 'index.ts' ? [] : [`${other} and ${file.path}`];
    });
    expect(twice).toEqual([]);
  });

  test('uses the words of the design in file names', () => {
    expect(
      files.filter((file) => /util|helper|manager|handle|data2|misc|common/i.test(file.path)).map((file) => file.path),
    ).toEqual([]);
  });
});
