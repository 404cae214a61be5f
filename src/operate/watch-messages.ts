/**
 * Finds messages that changed, poll by poll. No index has the time of a message's last change, because it would make
 * every attempt more expensive. But a message that changes was enqueued a moment ago, or is unsettled and due. So a
 * poll reads the newest messages, for each method those that became due first and last, and the unsettled ones of the
 * previous poll. Each part is the end of an index and has a limit.
 */
import type { Queryable } from '../database/pool.ts';
import { createBinding, matching, type MessageFilter } from './message-filter.ts';
import { lineColumns, type MessageLine } from './messages.ts';

/** Rows of each part. */
const mostRows = 300;
const mostFollowed = 2000;
/** A transaction makes its messages visible when it commits, which is later than their `created_at`. */
const commitDelaySeconds = 5;

interface PolledMessage extends MessageLine {
  readonly matches: boolean;
  readonly changedAt: Date;
  readonly polledAt: Date;
}

/** Remembers what the previous poll found. */
export interface MessageWatch {
  /** Matching messages that changed since the previous poll, in order of change. The first poll returns none. */
  poll(): Promise<MessageLine[]>;
}

/** Watches the messages that match. Nothing runs between polls. */
export function watchMessages(client: Queryable, filter: MessageFilter): MessageWatch {
  let known: ReadonlyMap<string, string> | null = null;
  let followed: readonly string[] = [];
  let polledAt = new Date(0);
  return {
    async poll() {
      const rows = await readRecent(client, filter, followed);
      const before = known;
      const since = polledAt.getTime() - commitDelaySeconds * 1000;
      known = new Map(rows.map((row) => [row.id, stateOf(row)]));
      followed = rows
        .filter(({ settledAt }) => settledAt === null)
        .slice(-mostFollowed)
        .map(({ id }) => id);
      polledAt = rows[0]?.polledAt ?? polledAt;
      if (before === null) return [];
      const changed = rows.filter((row) => {
        const state = before.get(row.id);
        return row.matches && (state === undefined ? row.changedAt.getTime() >= since : state !== stateOf(row));
      });
      return changed.map(lineOf);
    },
  };
}

function lineOf(message: PolledMessage): MessageLine {
  const { matches: _, changedAt: __, polledAt: ___, ...line } = message;
  return line;
}

const stateOf = ({ status, attempts, reason }: MessageLine) => `${status} ${attempts} ${reason ?? ''}`;

async function readRecent(
  client: Queryable,
  filter: MessageFilter,
  followed: readonly string[],
): Promise<PolledMessage[]> {
  const { values, bind } = createBinding();
  const due = (direction: 'ASC' | 'DESC') =>
    `(SELECT d.id FROM herald.method w, LATERAL (SELECT o.id FROM herald.message o
      WHERE o.method = w.name AND o.settled_at IS NULL AND o.next_attempt_at <= now()
      ORDER BY o.next_attempt_at ${direction} LIMIT ${mostRows}) d)`;
  const { rows } = await client.query<PolledMessage>(
    `WITH picked AS (
       (SELECT id FROM herald.message ORDER BY created_at DESC, id DESC LIMIT ${mostRows})
       UNION ${due('ASC')} UNION ${due('DESC')} UNION SELECT unnest(${bind(followed)}::uuid[])
     )
     SELECT ${lineColumns}, (${matching(filter, bind)}) AS matches, now() AS "polledAt",
       greatest(m.created_at, m.settled_at, CASE WHEN m.settled_at IS NULL THEN m.attempt_started_at END,
         CASE WHEN m.settled_at IS NULL AND m.next_attempt_at <= now() THEN m.next_attempt_at END) AS "changedAt"
     FROM picked JOIN herald.message m USING (id) ORDER BY "changedAt", m.id`,
    values,
  );
  return rows;
}
