/** What users of the package get: dependencies that they can patch, and installs that verify every file. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bundled } from '../scripts/bundled.ts';
import { readSourceFiles } from './support/source-files.ts';

const json = (path: string) => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'));
const manifest = json('package.json') as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly publishConfig: object;
  readonly files: readonly string[];
};

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly integrity?: string; readonly link?: boolean }>>;
}

describe('the package', () => {
  test.each(['package-lock.json', 'bench/package-lock.json'])('has an integrity for every entry of %s', (path) => {
    const entries = Object.entries((json(path) as LockFile).packages).filter(
      ([name, { link }]) => name !== '' && !link,
    );
    expect(entries.length).toBeGreaterThan(20);
    expect(entries.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? '')).map(([name]) => name)).toEqual([]);
  });

  test('lets users take a patch of a dependency, and nothing larger', () => {
    const wrong = Object.entries(manifest.dependencies).filter(([, range]) => !/^~\d+\.\d+\.\d+$/.test(range));
    expect(wrong).toEqual([]);
  });

  test('is published with its provenance, and without the snapshots of drizzle-kit', () => {
    expect(manifest.publishConfig).toMatchObject({ provenance: true });
    expect(manifest.files.filter((each) => each.startsWith('drizzle'))).toEqual([]);
  });

  test('does not make all users install what only some need: every peer is optional, and present in development', () => {
    const peers = Object.keys(manifest.peerDependencies);
    expect(peers.filter((name) => manifest.peerDependenciesMeta[name]?.optional !== true)).toEqual([]);
    expect(peers.filter((name) => manifest.devDependencies[name] === undefined)).toEqual([]);
  });

  test('loads an optional peer only where it is used, never with an import statement', () => {
    const peers = Object.keys(manifest.peerDependencies);
    const statements = readSourceFiles().flatMap(({ path, text }) =>
      [...text.matchAll(/^import (?!type\b)[^;]*? from '([^']+)';/gm)]
        .map((match) => match[1] ?? '')
        .filter((name) => peers.some((peer) => name === peer || name.startsWith(`${peer}/`)))
        .map((name) => `${path} imports ${name}`),
    );
    // The tables are Drizzle's, and the hook is React's; the library itself loads neither.
    const elsewhere = statements.filter((statement) => !statement.startsWith('database/tables/'));
    expect([...new Set(elsewhere)]).toEqual([
      'database/schema.ts imports drizzle-orm',
      'database/schema.ts imports drizzle-orm/pg-core',
      'inbox-client/react.ts imports react',
    ]);
    const users = readSourceFiles().filter(({ imports }) => imports.some(({ path }) => path === 'database/schema.ts'));
    expect(users.map(({ path }) => path)).toEqual([]);
  });

  test('has every library that its source imports: as a dependency, as an optional peer, or built in', () => {
    const known = [manifest.dependencies, manifest.peerDependencies, bundled].flatMap((each) => Object.keys(each));
    const imported = readSourceFiles().flatMap(({ path, libraries }) =>
      libraries
        .filter((library) => !library.startsWith('node:'))
        .map((library) => ({ path, name: /^(?:@[^/]+\/)?[^/]+/.exec(library)?.[0] ?? library })),
    );
    expect(imported.filter(({ name }) => !known.includes(name))).toEqual([]);
    // What is built in need not be installed.
    expect(Object.keys(bundled).filter((name) => manifest.devDependencies[name] === undefined)).toEqual([]);
    expect(Object.keys(bundled).filter((name) => manifest.dependencies[name] !== undefined)).toEqual([]);
  });
});
