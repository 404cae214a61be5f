/** The rules of the house that a compiler does not check: imports go one way, one library has one home, bounded files. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../src', import.meta.url));

interface SourceFile {
  /** Path below src/. */
  readonly path: string;
  /** First folder, or the file's own name at the top. */
  readonly part: string;
  readonly text: string;
  /** Paths below src/ of our own files that it imports, and whether only types are taken. */
  readonly imports: readonly { readonly path: string; readonly typesOnly: boolean }[];
  readonly libraries: readonly string[];
}

const files: SourceFile[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const parsed = parseSync(path, text);
    const statements = parsed.program.body.flatMap((node) => {
      if (node.type === 'ImportDeclaration')
        return [
          {
            from: node.source.value,
            typesOnly:
              node.importKind === 'type' ||
              (node.specifiers.length > 0 &&
                node.specifiers.every((s) => s.type === 'ImportSpecifier' && s.importKind === 'type')),
          },
        ];
      if ((node.type === 'ExportNamedDeclaration' || node.type === 'ExportAllDeclaration') && node.source)
        return [{ from: node.source.value, typesOnly: node.exportKind === 'type' }];
      return [];
    });
    return {
      path,
      part: path.includes('/') ? (path.split('/')[0] ?? '') : path.replace(/\.ts$/, ''),
      text,
      imports: statements
        .filter((s) => s.from.startsWith('.'))
        .map((s) => ({ path: relative(root, join(root, dirname(path), s.from)), typesOnly: s.typesOnly })),
      libraries: statements
        .filter((s) => !s.from.startsWith('.') && !s.from.startsWith('node:') && !s.typesOnly)
        .map((s) => s.from),
    };
  });

const partOf = (path: string) => (path.includes('/') ? (path.split('/')[0] ?? '') : path.replace(/\.ts$/, ''));

/** Who may import whom. Anything that is not listed here fails, so a new part has to be placed on purpose. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  vocabulary: [],
  errors: [],
  'email-address': [],
  'node-version': ['errors'],
  lru: [],
  secrets: ['errors'],
  telemetry: [],
  queue: ['vocabulary', 'errors', 'database'],
  database: ['errors', 'queue'],
  templates: ['vocabulary', 'errors', 'lru'],
  dispatch: ['vocabulary', 'errors', 'email-address', 'lru', 'secrets', 'database', 'templates'],
  enqueue: ['vocabulary', 'errors', 'email-address', 'telemetry', 'database', 'templates'],
  operate: [
    'vocabulary',
    'errors',
    'email-address',
    'secrets',
    'queue',
    'database',
    'templates',
    'enqueue',
    'dispatch',
  ],
  delivery: ['vocabulary', 'errors', 'lru', 'telemetry', 'queue', 'database', 'templates', 'dispatch', 'operate'],
  testing: ['vocabulary', 'errors', 'database', 'templates', 'dispatch'],
  console: [
    'vocabulary',
    'errors',
    'secrets',
    'database',
    'queue',
    'templates',
    'enqueue',
    'operate',
    'delivery',
    'dispatch',
  ],
  development: [
    'vocabulary',
    'errors',
    'secrets',
    'database',
    'templates',
    'dispatch',
    'operate',
    'delivery',
    'console',
  ],
  cli: [
    'vocabulary',
    'errors',
    'node-version',
    'email-address',
    'secrets',
    'queue',
    'database',
    'templates',
    'dispatch',
    'enqueue',
    'operate',
    'delivery',
    'console',
    'development',
  ],
  index: [
    'vocabulary',
    'errors',
    'node-version',
    'secrets',
    'telemetry',
    'database',
    'queue',
    'templates',
    'dispatch',
    'enqueue',
    'operate',
    'delivery',
    'console',
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
  'cli-table3': /^cli\//,
  hono: /^console\//,
  'smtp-server': /^development\//,
  '@opentelemetry/sdk-metrics': /^cli\//,
  '@opentelemetry/exporter-prometheus': /^cli\//,
  '@hono/node-server': /^console\//,
};

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

  test('has no cycle between files at run time', () => {
    const graph = new Map(
      files.map((file) => [file.path, file.imports.filter((i) => !i.typesOnly).map((i) => i.path)]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      if (done.has(path) || trail.includes(path)) return;
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const path of graph.keys()) visit(path, []);
    expect(cycles).toEqual([]);
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

  test('uses the words of the design in file names', () => {
    expect(
      files.filter((file) => /util|helper|manager|handle|data2|misc|common/i.test(file.path)).map((file) => file.path),
    ).toEqual([]);
  });
});
