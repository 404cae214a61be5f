/** What the demonstration did, counted in the database and at the receivers. */
import type { Pool } from 'pg';
import type { Deletions } from './application/cleanup.ts';
import type { Arrival } from './receivers.ts';

export interface Tally {
  /** Messages in the database, also those that were enqueued in the console. */
  readonly committed: number;
  readonly rolledBack: number;
  readonly sent: number;
  readonly failed: number;
  /** Waiting or being sent. */
  readonly pending: number;
  /** Cancelled, because the recipient had read the notification before. */
  readonly needless: number;
  /** Settled or held in another way, for example cancelled in the console. */
  readonly other: number;
  readonly duplicates: number;
  /** Committed, but not in the database, or `sent` without having arrived. */
  readonly lost: number;
}

interface Row {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  /** An item of an inbox arrives where it is written. */
  readonly isItem: boolean;
}

/** What the application did: the deletions, and the ids of the messages that asked for reviews. */
interface Done extends Deletions {
  readonly asked: readonly string[];
}

/** Counts everything that there is now. */
export async function readTally(pool: Pool, arrivals: readonly Arrival[], done: Done): Promise<Tally> {
  const { rows } = await pool.query<Row>(
    `SELECT m.id, m.status, m.reason, i.message_id IS NOT NULL AS "isItem"
     FROM herald.message m LEFT JOIN herald.inbox i ON i.message_id = m.id`,
  );
  const arrived = arrivals.map(({ messageId }) => messageId);
  const known = new Set(rows.map(({ id }) => id));
  const count = (...statuses: readonly string[]) => rows.filter(({ status }) => statuses.includes(status)).length;
  const [sent, failed, pending] = [count('sent'), count('failed'), count('pending', 'sending')];
  const needless = rows.filter(({ reason }) => reason === 'read').length;
  return {
    committed: rows.length,
    rolledBack: done.rolledBackMessages,
    ...{ sent, failed, pending, needless },
    other: rows.length - sent - failed - pending - needless,
    duplicates: arrived.length - new Set(arrived).size,
    lost:
      [...done.committedIds, ...done.asked].filter((id) => !known.has(id)).length +
      rows.filter(({ id, status, isItem }) => status === 'sent' && !isItem && !arrived.includes(id)).length,
  };
}

/** The tally as sentences. */
export function sentencesOf(tally: Tally, { workspaces, rolledBack }: Deletions): string[] {
  const { committed, sent, failed, pending, needless, other, lost, duplicates } = tally;
  const messages = plural(tally.rolledBack, 'message');
  const kinds = { sent, failed, waiting: pending, 'not needed': needless, 'stopped by you': other };
  const counts = Object.entries(kinds).flatMap(([kind, n]) => (n === 0 ? [] : [`${n} ${kind}`]));
  return [
    `${plural(workspaces, 'workspace was', 'workspaces were')} deleted, each with its messages in one transaction.`,
    ...(rolledBack === 0
      ? []
      : [`${plural(rolledBack, 'deletion was', 'deletions were')} rolled back: its ${messages} never existed.`]),
    `${plural(committed, 'message was', 'messages were')} committed${counts.length === 0 ? '' : `: ${counts.join(', ')}`}.`,
    lost + duplicates === 0
      ? 'None was lost, and none was sent twice.'
      : `LOST: ${lost}. SENT TWICE: ${duplicates}. This must not happen; please report it.`,
  ];
}

function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
