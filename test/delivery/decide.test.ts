import { describe, expect, test } from 'vitest';
import { type AttemptFacts, decideBy } from '../../src/delivery/decide.ts';
import type { DispatchResult } from '../../src/dispatch/dispatcher.ts';

const facts: AttemptFacts = {
  counted: 0,
  unknowns: 0,
  uncounted: 0,
  uncountedSeconds: null,
  maxAttempts: 3,
  unknown: 'retry',
  retryDelaysSeconds: [10, 100],
  random: 0.5,
};
const retry: DispatchResult = { outcome: 'retry', reason: 'deferred', detail: '' };
const unknown: DispatchResult = { outcome: 'unknown', reason: 'no_reply', detail: '' };

describe('what an outcome means for the message', () => {
  test.each<[string, DispatchResult, Partial<AttemptFacts>, object]>([
    ['sent settles it', { outcome: 'sent' }, {}, { status: 'sent', counted: true }],
    [
      'failed settles it at once',
      { outcome: 'failed', reason: 'refused', detail: '' },
      {},
      { status: 'failed', counted: true },
    ],
    ['retry waits for the first delay', retry, {}, { status: 'pending', delaySeconds: 10, counted: true }],
    ['the second retry waits for the second delay', retry, { counted: 1 }, { status: 'pending', delaySeconds: 100 }],
    ['the last delay repeats', retry, { counted: 7, maxAttempts: 20 }, { status: 'pending', delaySeconds: 100 }],
    ['the last attempt fails', retry, { counted: 2 }, { status: 'failed', counted: true }],
    ['jitter shortens by 20 % at most', retry, { random: 0 }, { delaySeconds: 8 }],
    ['jitter lengthens by 20 % at most', retry, { random: 1 }, { delaySeconds: expect.closeTo(12) }],
    ['the receiver may ask for more time', { ...retry, retryAfterSeconds: 500 }, {}, { delaySeconds: 500 }],
    ['the receiver cannot ask for less', { ...retry, retryAfterSeconds: 1 }, {}, { delaySeconds: 10 }],
    ['the receiver cannot ask for more than a day', { ...retry, retryAfterSeconds: 1e9 }, {}, { delaySeconds: 86_400 }],
    [
      'a fault of the method counts nothing',
      { ...retry, pauseMethod: true },
      { counted: 2 },
      { status: 'pending', counted: false },
    ],
    [
      'a message given back is due in a second',
      { ...retry, countAttempt: false },
      {},
      { delaySeconds: 1, counted: false },
    ],
    ['unknown retries after five minutes', unknown, {}, { status: 'pending', delaySeconds: 300, counted: true }],
    ['unknown is held where the template says so', unknown, { unknown: 'hold' }, { status: 'held', counted: true }],
    ['unknown is retried once more', unknown, { unknowns: 1, maxAttempts: 9 }, { status: 'pending' }],
    ['unknown is not retried a third time', unknown, { unknowns: 2, maxAttempts: 9 }, { status: 'failed' }],
    ['the last unknown attempt fails', unknown, { counted: 2 }, { status: 'failed' }],
  ])('%s', (_, result, override, expected) => {
    expect(decideBy(result, { ...facts, ...override })).toMatchObject(expected);
  });
});
