/**
 * What changes, look by look. No index knows a message's last change, since each would make every attempt dearer. But whatever
 * changes was enqueued a moment ago, or is open and due: so a look takes the newest messages, of each method those that are due
 * longest and those that came due last, and the open ones of the look before. Each part is the end of an index and bounded.
 */
import type { Pool } from 'pg';
import { conditions, lineColumns, type MessageFilter, type MessageLine, valuesOf } from './messages.ts';

/** Rows of each part. */
const mostRows = 300;
const mostFollowed = 2000;
/** A transaction shows what it enqueued when it commits, which is later than `created_at`. */
const slackSeconds = 5;

interface Seen extends MessageLine {
  readonly matches: boolean;
  readonly changedAt: Date;
  readonly lookedAt: Date;
}

export interface Changes {
  /** What has changed since the look before and matches, in order; the first look finds nothing. */
  look(): Promise<MessageLine[]>;
}

export function watchChanges(pool: Pick<Pool, 'query'>, filter: MessageFilter): Changes {
  let before: ReadonlyMap<string, string> | null = null;
  let followed: readonly string[] = [];
  let lookedAt = new Date(0);
  return {
    async look() {
      const rows = await readSeen(pool, filter, followed);
      const known = before;
      const since = lookedAt.getTime() - slackSeconds * 1000;
      before = new Map(rows.map((row) => [row.id, stateOf(row)]));
      followed = rows
        .filter(({ settledAt }) => settledAt === null)
        .slice(-mostFollowed)
        .map(({ id }) => id);
      lookedAt = rows[0]?.lookedAt ?? lookedAt;
      if (known === null) return [];
      const changed = rows.filter((row) => {
        const state = known.get(row.id);
        return row.matches && (state === undefined ? row.changedAt.getTime() >= since : state !== stateOf(row));
      });
      return changed.map(lineOf);
    },
  };
}

function lineOf(seen: Seen): MessageLine {
  const { matches: _, changedAt: __, lookedAt: ___, ...line } = seen;
  return line;
}

const stateOf = ({ status, attempts, reason }: MessageLine) => `${status} ${attempts} ${reason ?? ''}`;

async function readSeen(
  pool: Pick<Pool, 'query'>,
  filter: MessageFilter,
  followed: readonly string[],
): Promise<Seen[]> {
  const due = (direction: 'ASC' | 'DESC') =>
    `(SELECT d.id FROM herald.method w, LATERAL (SELECT o.id FROM herald.message o
      WHERE o.method = w.name AND o.settled_at IS NULL AND o.next_attempt_at <= now() ORDER BY o.next_attempt_at ${direction} LIMIT ${mostRows}) d)`;
  const { rows } = await pool.query<Seen>(
    `WITH picked AS (
       (SELECT id FROM herald.message ORDER BY created_at DESC, id DESC LIMIT ${mostRows})
       UNION ${due('ASC')} UNION ${due('DESC')} UNION SELECT unnest($11::uuid[])
     )
     SELECT ${lineColumns}, (${conditions}) AS matches, now() AS "lookedAt",
       greatest(m.created_at, m.settled_at, CASE WHEN m.settled_at IS NULL THEN m.attempt_started_at END,
         CASE WHEN m.settled_at IS NULL AND m.next_attempt_at <= now() THEN m.next_attempt_at END) AS "changedAt"
     FROM picked JOIN herald.message m USING (id) ORDER BY "changedAt", m.id`,
    [...valuesOf(filter), followed],
  );
  return rows;
}
