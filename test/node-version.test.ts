import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { requireNode, oldestNode } from '../src/node-version.ts';

interface Manifest {
  readonly engines?: { readonly node?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
}

const manifest = (path: string) => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')) as Manifest;

test('an older Node is told which one is needed', () => {
  expect(() => requireNode('20.20.2')).toThrow(`Node.js: 20.20.2 is too old for pg-herald; run it with ${oldestNode}`);
  expect(() => requireNode('22.9.0')).toThrow('too old');
  for (const version of [oldestNode, '22.100.0', '24.0.0', '100.0.0']) expect(() => requireNode(version)).not.toThrow();
});

test('what package.json promises is enough for every dependency', () => {
  const own = manifest('package.json');
  expect(`${own.engines?.node}.0`).toBe(`>=${oldestNode}`);
  for (const name of Object.keys(own.dependencies ?? {})) {
    const least = /^>= ?(\d+\.\d+\.\d+)$/.exec(manifest(`node_modules/${name}/package.json`).engines?.node ?? '')?.[1];
    if (least !== undefined)
      expect(oldestNode.localeCompare(least, 'en', { numeric: true }), name).toBeGreaterThanOrEqual(0);
  }
});
