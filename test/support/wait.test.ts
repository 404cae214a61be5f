import { expect, test } from 'vitest';
import { until } from './wait.ts';

test('returns what the condition returned at last', async () => {
  let looks = 0;
  expect(await until(() => (looks += 1) > 2 && `after ${looks}`, { intervalMs: 1 })).toBe('after 3');
});

test('looks again when the condition throws', async () => {
  let looks = 0;
  await until(() => expect((looks += 1)).toBeGreaterThan(2) ?? true, { intervalMs: 1 });
  expect(looks).toBe(3);
});

test('says in the end what it waited for and what it saw last', async () => {
  const waiting = until(() => Promise.reject(new Error('no row yet')), { timeoutMs: 20, what: 'a row' });
  await expect(waiting).rejects.toThrow('waited 20 ms for a row; last: no row yet');
});
