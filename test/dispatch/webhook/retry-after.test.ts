import { expect, test } from 'vitest';
import { parseRetryAfter } from '../../../src/dispatch/webhook/retry-after.ts';

const now = new Date('2026-11-24T08:00:00.000Z');

test.each<[string | undefined, number | null]>([
  ['120', 120],
  [' 7 ', 7],
  ['0', 0],
  ['0.3', 1],
  ['1.5', 2],
  ['86401', 86_400],
  ['315360000', 86_400],
  ['999999999999999999999', null],
  ['-5', null],
  ['+5', null],
  ['1e3', null],
  ['0x10', null],
  ['abc', null],
  ['', null],
  [undefined, null],
  ['5, 10', null],
  ['Tue, 24 Nov 2026 08:02:00 GMT', 120],
  ['Tue, 24 Nov 2026 07:00:00 GMT', 0],
  ['Sun, 24 Nov 2036 08:00:00 GMT', 86_400],
  ['Tuesday, 24-Nov-26 08:02:00 GMT', 120],
  ['Tue Nov 24 08:02:00 2026 GMT', 120],
  ['2026-11-24T08:02:00Z', null],
  ['Tue, 99 Nov 2026 08:02:00 GMT', null],
])('Retry-After %j means %j', (value, seconds) => {
  expect(parseRetryAfter(value, now)).toBe(seconds);
});
