/** What a job that has to be written again needs: its message's priority, and a moment of the database's clock. */
import type { Database } from '../../database/statements.ts';

export interface Places {
  /** By message id; one that is not there has none. */
  readonly priorities: ReadonlyMap<string, number>;
  /** A second from now as the database sees it: this machine's clock may be wrong. */
  readonly soon: Date;
}

const statement = {
  name: 'herald.places',
  text: `SELECT now() + interval '1 second' AS soon, (SELECT coalesce(jsonb_object_agg(m.id, m.priority), '{}')
FROM herald.message m WHERE m.id = ANY ($1::uuid[])) AS priorities`,
};

/** Rejects when the database is away. */
export async function readPlaces(database: Database, ids: readonly string[]): Promise<Places> {
  const [row] = await database.run<{ soon: Date; priorities: Record<string, number> }>(statement, [ids]);
  if (row === undefined) throw new Error('an aggregate without a row');
  return { priorities: new Map(Object.entries(row.priorities)), soon: row.soon };
}
