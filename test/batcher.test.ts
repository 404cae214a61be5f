import { describe, expect, test } from 'vitest';
import { createBatcher } from '../src/batcher.ts';

describe('a batcher', () => {
  test('writes what comes in one turn together, and what comes meanwhile in the next batch', async () => {
    const batches: number[][] = [];
    let release: () => void = () => undefined;
    const batcher = createBatcher<number>({
      write: async (batch) => {
        batches.push([...batch]);
        await new Promise<void>((resolve) => (release = resolve));
      },
    });
    const first = Promise.all([batcher.add([1]), batcher.add([2, 3])]);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const second = Promise.all([batcher.add([4]), batcher.add([5])]);
    release();
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    release();
    await second;
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
  });

  test('takes no further list into a full batch, and keeps each list whole', async () => {
    const batches: number[][] = [];
    const batcher = createBatcher<number>({ maxItems: 2, write: async (batch) => void batches.push([...batch]) });
    await Promise.all([batcher.add([1]), batcher.add([2, 3]), batcher.add([4]), batcher.add([])]);
    expect(batches).toEqual([[1, 2, 3], [4]]);
  });

  test('tells the callers of a batch that could not be written, and goes on', async () => {
    let fails = true;
    const batcher = createBatcher<number>({
      write: async () => {
        if (fails) throw new Error('away');
      },
    });
    await expect(batcher.add([1])).rejects.toThrow('away');
    fails = false;
    await batcher.add([2]);
  });

  test('flush ends the pause between two batches', async () => {
    const batches: number[][] = [];
    const batcher = createBatcher<number>({ gatherMs: 60_000, write: async (batch) => void batches.push([...batch]) });
    await batcher.add([1]);
    const second = batcher.add([2]);
    await batcher.flush();
    await second;
    expect(batches).toEqual([[1], [2]]);
  });
});
