/** Moves the later steps of notifications whose messages wait for quiet hours, so that they keep their distance. */
import type { Database } from '../database/database.ts';

/** A message that waits now, and when it was due. */
export interface QuietMessage {
  readonly id: string;
  readonly dueAt: string;
}

const statement = { name: 'herald.push_steps', text: 'SELECT herald.push_steps($1::uuid[], $2::timestamptz[])' };

/** If it fails, the later steps keep their times, and wait for quiet hours as every message does. */
export async function pushSteps(messages: readonly QuietMessage[], { run }: Pick<Database, 'run'>): Promise<void> {
  if (messages.length === 0) return;
  await run(statement, [messages.map(({ id }) => id), messages.map(({ dueAt }) => dueAt)]);
}
