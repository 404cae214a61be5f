/** Random calls of public functions: values passed by mistake, and whether an error is clear. */
import fc from 'fast-check';
import { ConfigurationError, InvalidNotificationError } from '../../src/errors.ts';

/** Values passed by mistake, and what comes from a form, a file or another language. */
export const hostile: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    undefined,
    '',
    ' ',
    '\u0000',
    'a\u0000b',
    '\ud83d',
    'x'.repeat(5000),
    '🦊'.repeat(201),
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -0,
    1e308,
    1n,
    true,
    [],
    [[]],
    {},
    Symbol('x'),
    () => 1,
    new Map(),
    new Set([1]),
    new Date(Number.NaN),
    new Date(8.64e15),
    new Date(-8.64e15),
    Object.create(null),
    new Error('x'),
    Buffer.from('x'),
    '__proto__',
    "'; DROP TABLE herald.message; --",
    '{{labels.x}}',
    '$1',
    '\\',
    '%s',
  ),
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withSparseArray: true }),
  fc.string({ unit: 'binary', maxLength: 60 }),
);

/** A value that is right, or a hostile one. */
export const or = (right: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 6, arbitrary: right }, { weight: 1, arbitrary: hostile });
export interface Call {
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

/** A call with what it was given, for the report. */
export function of(what: string, input: readonly unknown[], run: () => Promise<unknown>): Call {
  return { what: `${what} ${fc.stringify(input)}`, run };
}

/** Null for a success or a clear error. */
export async function problemOf({ run }: Call): Promise<string | null> {
  try {
    // A call that throws at once is a fault, too: it must reject.
    await run();
    return null;
  } catch (error) {
    if (error instanceof ConfigurationError) return null;
    const { code, message } = error as { code?: unknown; message: string };
    const clear =
      error instanceof InvalidNotificationError
        ? error.issues.every((issue) => issue.message !== '')
        : /^HE00\d$/.test(String(code));
    return clear && !/\[object|Cannot |is not a function|not iterable/.test(message) ? null : String(error);
  }
}
