/**
 * The method `inbox` in the worker. Enqueue settles inbox messages itself; a worker delivers those that were scheduled,
 * so that cancelling, expiry and preferences hold until they are due.
 */
import type { Pool } from 'pg';
import type { Dispatcher } from './dispatcher.ts';

/** The name of the method. */
export const inboxMethod = 'inbox';

/** The dispatcher that every worker has: it adds the item to the reader's inbox. Safe to repeat. */
export function inboxDispatcher(): Dispatcher {
  let pool: Pool | null = null;
  return {
    concurrency: 10,
    timeoutSeconds: 30,
    retryDelaysSeconds: [1, 10, 60, 600, 3600],
    // Items are rendered when they are read, without secret labels.
    withholdSecrets: true,
    async start(services) {
      pool = services.pool;
    },
    async dispatch({ messageId }) {
      if (pool === null) throw new Error('the inbox dispatcher was not started');
      await pool.query('SELECT herald.deliver_item($1)', [messageId]);
      return { outcome: 'sent' };
    },
  };
}
