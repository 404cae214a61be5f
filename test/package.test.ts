/** What users of the package get: dependencies that they can patch, and installs that verify every file. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const json = (path: string) => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'));
const manifest = json('package.json') as {
  readonly dependencies: Readonly<Record<string, string>>;
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
});
