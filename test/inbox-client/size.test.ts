/** What the client weighs in a page: bundled, minified and compressed. */
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { bundle } from './bundle.ts';

const weight = async (entry: string) => gzipSync(await bundle(entry), { level: 9 }).length;

test('the store weighs at most 5 kB, compressed', async () => {
  const bytes = await weight(`export * from './index.ts';`);
  expect(bytes).toBeGreaterThan(1000);
  expect(bytes).toBeLessThanOrEqual(5000);
});

test('the element weighs at most 15 kB, compressed, the store and twelve languages included', async () => {
  expect(await weight(`import './element/index.ts';`)).toBeLessThanOrEqual(15_000);
});
