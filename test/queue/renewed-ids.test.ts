import { expect, test } from 'vitest';
import { renewedIds } from '../../src/queue/queue.ts';

test('reads which leases pg-boss renewed', () => {
  expect(renewedIds({ jobs: ['a', 'b'], requested: 2, affected: 1, settled: ['a'] })).toEqual(new Set(['a']));
  expect(renewedIds({ settled: [] })).toEqual(new Set());
});

test('a response without that list is an error, not the loss of every lease', () => {
  for (const response of [{}, { affected: 0 }, { settled: null }, { settled: 3 }])
    expect(() => renewedIds(response)).toThrow(/no list "settled"/);
});
