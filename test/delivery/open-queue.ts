/** A queue outside of a worker. */
import type { Pool } from 'pg';
import { maintenanceTimeouts } from '../../src/database/pool.ts';
import { createErrorReporter } from '../../src/delivery/database-errors.ts';
import { openQueuePool } from '../../src/delivery/connections.ts';
import { openQueue, type Queue } from '../../src/queue/queue.ts';
import { silentLogger, type Logger } from '../../src/vocabulary.ts';

export interface TestQueue {
  readonly queue: Queue;
  readonly queuePool: Pool;
  readonly close: () => Promise<void>;
}

/** Opens the queue of an installed database, as a worker does. */
export async function openTestQueue(connectionString: string, logger: Logger = silentLogger): Promise<TestQueue> {
  const queuePool = openQueuePool({ connectionString, mode: 'session', errors: createErrorReporter(logger) });
  const queue = await openQueue({
    connectionString,
    pool: queuePool,
    maintenance: maintenanceTimeouts,
    logger,
    onError: () => undefined,
    superviseSeconds: 60,
  });
  return {
    queue,
    queuePool,
    async close() {
      await queue.close();
      await queuePool.end();
    },
  };
}
