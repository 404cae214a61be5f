/** How much a worker says about a database in trouble. */
import { expect, test } from 'vitest';
import { createErrorReporter, readOnlyCode } from '../../src/delivery/database-errors.ts';
import { keepingLogger } from '../support/application.ts';

const failure = (code: string) => Object.assign(new Error('secret text'), { code });

function watched() {
  const logger = keepingLogger();
  const clock = { ms: 0 };
  return { logger, clock, errors: createErrorReporter(logger, () => clock.ms) };
}

test('a database that is away is one line, and one when it is back', () => {
  const { logger, clock, errors } = watched();
  for (let i = 0; i < 1000; i++) {
    errors.report(failure(i % 2 ? 'ECONNREFUSED' : '57P03'), 'cannot lease');
    errors.report(new Error('Connection terminated unexpectedly'), 'cannot look for due messages');
    clock.ms += 300;
  }
  errors.recovered();
  errors.recovered();
  expect(logger.lines).toEqual([
    {
      level: 'error',
      fields: { code: '57P03' },
      message: 'the database is away; delivery resumes automatically when it is back',
    },
    { level: 'info', fields: { seconds: 300, suppressed: 1999 }, message: 'the database is back' },
  ]);
  errors.report(failure('ECONNRESET'), 'cannot lease');
  expect(logger.lines).toHaveLength(3);
});

test('a read-only database is called so', () => {
  const { logger, errors } = watched();
  errors.report(failure(readOnlyCode), 'cannot lease');
  expect(logger.lines[0]?.message).toMatch(/^the database is read-only;/);
});

test('one that was away and is found read-only is told once more, whatever comes after', () => {
  const { logger, errors } = watched();
  for (let i = 0; i < 100; i++) {
    errors.report(failure('ECONNRESET'), 'cannot lease');
    errors.report(failure(readOnlyCode), 'cannot look for due messages');
  }
  expect(logger.lines.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^the database is away;/),
    expect.stringMatching(/^the database is read-only;/),
  ]);
  errors.recovered();
  errors.report(failure(readOnlyCode), 'cannot lease');
  expect(logger.lines.at(-1)?.message).toMatch(/^the database is read-only;/);
});

test('any other trouble is told once a minute, and how often it came', () => {
  const { logger, clock, errors } = watched();
  for (let i = 0; i < 100; i++) {
    errors.report(failure('42501'), 'cannot lease', { method: 'smtp' });
    clock.ms += 1000;
  }
  errors.report(new TypeError('secret text'), 'cannot renew leases');
  expect(logger.lines).toEqual([
    { level: 'error', fields: { method: 'smtp', code: '42501' }, message: 'cannot lease' },
    { level: 'error', fields: { method: 'smtp', code: '42501', repeated: 59 }, message: 'cannot lease' },
    { level: 'error', fields: { code: 'TypeError' }, message: 'cannot renew leases' },
  ]);
});
