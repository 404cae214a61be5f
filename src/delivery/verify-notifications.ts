/** Whether notifications (NOTIFY) reach this worker: it sends one to itself. */
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from '../vocabulary.ts';
import { within } from './clock.ts';
import type { ErrorReporter } from './services.ts';

/** How long our own notification may take, in milliseconds. */
const arrivalMs = 3000;

/** A check of whether notifications arrive. */
export interface NotificationCheck {
  /** Whether notifications arrive; null while that is not known. */
  readonly arrive: boolean | null;
  /** Called with every payload that arrives. Returns true if it was the check's own. */
  received(payload: string): boolean;
  /**
   * Sends a notification and warns once if it does not arrive. A pooler in transaction mode accepts LISTEN and drops
   * the notifications; only polling is left then.
   */
  run(): Promise<void>;
}

interface NotificationCheckServices {
  readonly pool: Pool;
  readonly errors: ErrorReporter;
  readonly logger: Logger;
}

/** Creates the check. It sends nothing before `run`. */
export function verifyNotifications({ pool, errors, logger }: NotificationCheckServices): NotificationCheck {
  const own = `?${randomBytes(6).toString('hex')}`;
  const arrived = Promise.withResolvers<void>();
  let arrive: boolean | null = null;
  return {
    get arrive() {
      return arrive;
    },
    received(payload) {
      if (payload !== own) return false;
      arrived.resolve();
      return true;
    },
    async run() {
      try {
        await pool.query(`SELECT pg_notify('herald', $1)`, [own]);
        arrive = await within(arrived.promise, arrivalMs);
        if (arrive) return;
        logger.warn(
          {},
          'notifications do not arrive, as behind a pooler in transaction mode; polling for due messages',
        );
      } catch (error) {
        errors.report(error, 'cannot check whether notifications arrive');
      }
    },
  };
}
