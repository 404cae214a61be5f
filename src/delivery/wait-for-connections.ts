/** What a worker does while the server has no connection left for it: it waits, and says so once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../errors.ts';
import type { Logger } from '../vocabulary.ts';
import { type Closing, closeAll } from './stop.ts';

/** The code of a server, database or role at its limit of connections. */
const noConnectionLeft = '53300';
/** Of waits between two tries, in milliseconds. Each is shortened at random, so that workers do not try in step. */
const longestWaitMs = 4000;
const closeMs = 2000;

/** Where the wait is told, and what ends it. */
export interface WaitOptions {
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Calls `open` again until the server has connections for it. What a failed try had opened is closed; what the last one
 * opened is added to `closing`. Rejects with any other error, and with the last one when the signal is aborted.
 */
export async function waitForConnections<T>(
  open: (closing: Closing) => Promise<T>,
  closing: Closing,
  { logger, signal }: WaitOptions,
): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    const opened: Closing = [];
    try {
      const result = await open(opened);
      closing.push(...opened);
      if (tries > 0) logger.info({ tries }, 'the database has connections again');
      return result;
    } catch (error) {
      await closeAll(opened, performance.now() + closeMs);
      if (codeOf(error) !== noConnectionLeft || signal.aborted) throw error;
      if (tries === 0) logger.warn({ code: noConnectionLeft }, waiting);
      await sleep(longestWaitMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => Promise.reject(error));
    }
  }
}

const waiting =
  'the database has no connection left; this worker starts when it has: raise max_connections or the limit of the ' +
  'role, or run fewer workers (15 connections each)';
