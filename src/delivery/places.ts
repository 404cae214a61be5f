/** The priorities of messages, asked for only where a job has to be written again. */
import type { Database } from '../database/statements.ts';

const statement = {
  name: 'herald.priorities',
  text: 'SELECT id, priority FROM herald.message WHERE id = ANY ($1::uuid[])',
};

/** By message id; one that is not there has none. Rejects when the database is away. */
export async function prioritiesOf(database: Database, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = await database.run<{ id: string; priority: number }>(statement, [ids]);
  return new Map(rows.map(({ id, priority }) => [id, priority]));
}
