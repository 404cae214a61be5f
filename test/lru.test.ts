import { expect, test } from 'vitest';
import { LruCache } from '../src/lru.ts';

const made: string[] = [];
const get = (cache: LruCache<string>, key: string) =>
  cache.get(key, () => {
    made.push(key);
    return key.toUpperCase();
  });

test('a full cache removes the entry that was not asked for the longest', () => {
  made.length = 0;
  const cache = new LruCache<string>(2);
  for (const key of ['a', 'b', 'a', 'a', 'c', 'a', 'b']) expect(get(cache, key)).toBe(key.toUpperCase());
  expect(made).toEqual(['a', 'b', 'c', 'b']);
});

test('a deleted entry is made again, even the one that was asked for last', () => {
  made.length = 0;
  const cache = new LruCache<string>(2);
  get(cache, 'a');
  cache.delete('a');
  get(cache, 'a');
  get(cache, 'b');
  cache.delete('a');
  get(cache, 'a');
  expect(made).toEqual(['a', 'a', 'b', 'a']);
});
