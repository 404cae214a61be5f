/**
 * Whether the database can be used, as this worker sees it: one line when it is lost and one when it is back, however many parts
 * of the worker notice, and one more where a lost one is found again read-only. Any other trouble with it is told once a minute.
 */
import type { Logger } from '../vocabulary.ts';
import { codeOf } from '../queue/queue.ts';

export interface Outage {
  /** A statement failed, or a connection broke. */
  report(error: unknown, what: string, fields?: object): void;
  /** A statement went through that could change something. */
  over(): void;
}

/** What a standby, or a primary that was made read-only, answers. */
export const readOnlyCode = '25006';
/** The network's codes, those of a server that starts, stops or has no connection left, and our own for a silent one. */
const away = /^(E[A-Z_]+|08...|57P0[1-5]|53300|25006|connection_lost|timeout)$/;
const repeatMs = 60_000;

export function createOutage(logger: Logger, now: () => number = () => performance.now()): Outage {
  let since: number | null = null;
  let saidReadOnly = false;
  let heldBack = 0;
  const told = new Map<string, { at: number; repeated: number }>();
  return {
    report(error, what, fields = {}) {
      const code = codeOf(error);
      if (away.test(code)) {
        const readOnly = code === readOnlyCode;
        if (since !== null && (saidReadOnly || !readOnly)) heldBack += 1;
        else {
          since ??= now();
          saidReadOnly = readOnly;
          const state = readOnly ? 'the database is read-only' : 'the database is away';
          logger.error({ code }, `${state}; delivery goes on by itself when it is back`);
        }
        return;
      }
      const key = `${what} ${code}`;
      const last = told.get(key);
      if (last !== undefined && now() - last.at < repeatMs) {
        last.repeated += 1;
        return;
      }
      logger.error({ ...fields, code, ...(last !== undefined && { repeated: last.repeated }) }, what);
      told.set(key, { at: now(), repeated: 0 });
    },
    over() {
      if (since === null) return;
      logger.info({ seconds: Math.round((now() - since) / 1000), heldBack }, 'the database is back');
      since = null;
      saidReadOnly = false;
      heldBack = 0;
    },
  };
}
