/** Whether wake-ups reach this worker: it sends itself one. */
import type { Database } from '../database/statements.ts';
import type { Logger } from '../vocabulary.ts';
import { within } from './clock.ts';
import type { Outage } from './database-errors.ts';

/** How long a wake-up of our own may take to come back. */
const echoMs = 3000;

/** A pooler in transaction mode takes LISTEN and drops what comes: then it is said once, and looking at intervals is all there is. */
export async function listenToOurselves(
  { database, outage, logger }: { readonly database: Database; readonly outage: Outage; readonly logger: Logger },
  echo: string,
  hearing: Promise<void>,
): Promise<void> {
  try {
    await database.pool.query(`SELECT pg_notify('herald', $1)`, [echo]);
    if (!(await within(hearing, echoMs)))
      logger.warn(
        {},
        'wake-ups do not arrive, as behind a pooler in transaction mode; looking for due messages at intervals',
      );
  } catch (error) {
    outage.report(error, 'cannot try whether wake-ups arrive');
  }
}
