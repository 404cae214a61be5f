/** What becomes of messages about which a guard gave no answer. */
import type { Attempt } from '../attempt.ts';
import { readOnlyCode } from '../database-errors.ts';
import type { GuardServices } from '../services.ts';
import type { Withdrawal } from './withdraw.ts';

/** The messages about which there was no answer: one line of the log for a function and a code. */
export function unanswered(
  name: string,
  attempts: readonly Attempt[],
  failed: ReadonlyMap<string, string>,
  { errors, method }: GuardServices,
): readonly Withdrawal[] {
  // A function that writes is not a database that is read-only.
  for (const code of new Set(failed.values()))
    errors.report({ code: code === readOnlyCode ? `${code} in a guard` : code }, `cannot ask the guard ${name}`, {
      method,
      guard: name,
    });
  return attempts.flatMap((attempt) => {
    const code = failed.get(attempt.job.id);
    if (code === undefined) return [];
    return [{ attempt, reason: 'guard_failed' as const, detail: `the guard ${name} did not answer (${code})` }];
  });
}
