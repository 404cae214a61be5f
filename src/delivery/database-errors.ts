/**
 * Reports errors of the database without flooding the log: one line when it is lost and one when it is back, however
 * many parts of the worker notice, and one more if it comes back read-only. Any other error is logged once a minute.
 */
import type { Logger } from '../vocabulary.ts';
import { codeOf } from '../errors.ts';
import type { ErrorRecord, ErrorReporter } from './services.ts';

/** The code of a standby, and of a primary that was made read-only. */
export const readOnlyCode = '25006';
/** The codes of the network, of a server that starts, stops or has no connection left, and our own for a silent one. */
const away = /^(E[A-Z_]+|08...|57P0[1-5]|53300|25006|connection_lost|timeout)$/;
const repeatMs = 60_000;
/** What a worker reports when it cannot lease, begin or settle: nothing is delivered then. */
export const deliveryErrors = ['cannot lease', 'cannot begin', 'cannot record results, trying again'] as const;
/** Kinds of errors that are remembered. */
const maxKinds = 20;

/** @param now the time in milliseconds, for tests */
export function createErrorReporter(logger: Logger, now: () => number = () => performance.now()): ErrorReporter {
  let since: number | null = null;
  let loggedReadOnly = false;
  let suppressed = 0;
  const logged = new Map<string, { at: number; repeated: number }>();
  const kinds = new Map<string, ErrorRecord>();

  function remember(what: string, code: string): void {
    const key = `${what} ${code}`;
    const count = (kinds.get(key)?.count ?? 0) + 1;
    kinds.delete(key);
    kinds.set(key, { what, code, at: new Date().toISOString(), count });
    for (const oldest of kinds.keys()) {
      if (kinds.size <= maxKinds) break;
      kinds.delete(oldest);
    }
  }

  return {
    recent: () => [...kinds.values()].toReversed(),
    report(error, what, fields = {}) {
      const code = codeOf(error);
      remember(what, code);
      if (away.test(code)) {
        const readOnly = code === readOnlyCode;
        if (since !== null && (loggedReadOnly || !readOnly)) suppressed += 1;
        else {
          since ??= now();
          loggedReadOnly = readOnly;
          const state = readOnly ? 'the database is read-only' : 'the database is away';
          logger.error({ code }, `${state}; delivery resumes automatically when it is back`);
        }
        return;
      }
      const key = `${what} ${code}`;
      const last = logged.get(key);
      if (last !== undefined && now() - last.at < repeatMs) {
        last.repeated += 1;
        return;
      }
      logger.error({ ...fields, code, ...(last !== undefined && { repeated: last.repeated }) }, what);
      logged.set(key, { at: now(), repeated: 0 });
    },
    recovered() {
      if (since === null) return;
      logger.info({ seconds: Math.round((now() - since) / 1000), suppressed }, 'the database is back');
      since = null;
      loggedReadOnly = false;
      suppressed = 0;
    },
  };
}
