/** What a worker asks every second, for all its methods in one statement: pauses, probes and what is due. */
import type { Database } from '../database/database.ts';
import { readOnlyCode } from './database-errors.ts';

/** The state of one method. */
export interface MethodState {
  readonly method: string;
  readonly paused: boolean;
  readonly probeDue: boolean;
  /** A message is due: a retry whose time has come, or one whose NOTIFY was missed. */
  readonly due: boolean;
  readonly readOnly: boolean;
}

const pollText = `
SELECT m.name AS method,
  m.paused_at IS NOT NULL
    OR EXISTS (SELECT FROM herald.method a WHERE a.name = '*' AND a.paused_at IS NOT NULL) AS paused,
  coalesce(m.pause_kind = 'fault' AND m.probe_at <= now(), false)
    AND NOT EXISTS (SELECT FROM herald.method a WHERE a.name = '*' AND a.paused_at IS NOT NULL) AS "probeDue",
  EXISTS (SELECT FROM herald.message d
    WHERE d.method = m.name AND d.settled_at IS NULL AND d.next_attempt_at <= now()) AS due,
  current_setting('transaction_read_only')::boolean AS "readOnly"
FROM herald.method m
WHERE m.name = ANY ($1)`;

/**
 * Reads the states of these methods. Rejects with `readOnlyCode` if the server takes no changes, and closes the
 * connection then: the name in the connection string may lead to another server by now.
 */
export async function pollMethods(database: Database, methods: readonly string[]): Promise<MethodState[]> {
  const isWritable = (states: readonly MethodState[]) => !states.some((state) => state.readOnly);
  const states = await database.run<MethodState>({ name: 'herald.poll', text: pollText }, [methods], isWritable);
  if (isWritable(states)) return states;
  throw Object.assign(new Error('the database is read-only'), { code: readOnlyCode });
}
