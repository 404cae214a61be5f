/** Gives leased jobs a later start. */
import type { Pool } from 'pg';
import { transaction } from '../../database/pool.ts';
import type { Database } from '../../database/database.ts';
import type { LeasedJob, Queue, RequeuedJob } from '../../queue/queue.ts';
import type { Requeue } from '../services.ts';

interface RequeueServices {
  readonly method: string;
  readonly queue: Pick<Queue, 'requeue'>;
  readonly queuePool: Pool;
  readonly database: Pick<Database, 'run'>;
}

// The database's clock, because this machine's may be wrong.
const soonStatement = {
  name: 'herald.requeue_soon',
  text: `SELECT now() + interval '1 second' AS soon, (SELECT coalesce(jsonb_object_agg(m.id, m.priority), '{}')
FROM herald.message m WHERE m.id = ANY ($1::uuid[])) AS priorities`,
};

/** The requeueing of one method's jobs, in transactions on the queue's connections. */
export function createRequeue({ method, queue, queuePool, database }: RequeueServices): Requeue {
  const requeue = async (jobs: readonly RequeuedJob[]) => {
    if (jobs.length > 0) await transaction(queuePool, (tx) => queue.requeue(method, jobs, tx));
  };
  return Object.assign(requeue, {
    async soon(jobs: readonly LeasedJob[]) {
      if (jobs.length === 0) return;
      const [row] = await database.run<{ soon: Date; priorities: Record<string, number> }>(soonStatement, [
        jobs.map(({ id }) => id),
      ]);
      if (row === undefined) throw new Error('an aggregate returned no row');
      await requeue(jobs.map((job) => ({ ...job, priority: row.priorities[job.id] ?? 0, startAfter: row.soon })));
    },
  });
}
