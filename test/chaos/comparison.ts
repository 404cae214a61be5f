/**
 * The three records, compared: what the applications committed (their ledger, written in the same transactions, and their own
 * files), what the receivers accepted (their file), and what the tables say.
 */
import type { Pool } from 'pg';
import type { Acceptance, TransactionRecord } from './journal.ts';

export interface Comparison {
  /** Messages whose transaction committed. */
  readonly committed: number;
  /** Messages whose transaction did not: rolled back, failed, or its process was killed. */
  readonly rolledBack: number;
  /** Messages that arrived at least once. */
  readonly delivered: number;
  /** Committed, and no receiver has them. Must be 0. */
  readonly lost: number;
  /** Confirmed to the application, and yet not in the ledger: the database lost a commit. Must be 0. */
  readonly lostCommits: number;
  /** Arrived or on record, though never committed. Must be 0. */
  readonly phantom: number;
  /** Not settled as sent, though delivered or deliverable, and not a step that became needless. Must be 0. */
  readonly unsettled: number;
  /** Steps that became needless, because their recipient had read the item. */
  readonly needless: number;
  /** Of these, how many arrived nevertheless, and no attempt on record may have been the one. Must be 0. */
  readonly cancelledAndSent: number;
  /** Copies beyond the first. */
  readonly duplicates: number;
  /** Copies for which an attempt on record says that its end is unknown. */
  readonly explained: number;
  /** The other copies. Must be 0. */
  readonly unexplained: number;
  /** Up to twenty messages of these. */
  readonly riddles: readonly Riddle[];
}

interface TableRow {
  readonly id: string;
  readonly ledger: boolean;
  readonly status: string | null;
  /** In its reader's inbox: no receiver sees it. */
  readonly isItem: boolean;
  /** A step that was cancelled when its recipient read the item. */
  readonly isNeedless: boolean;
  /** Attempts that may have arrived without our knowing, or of which we learned late. */
  readonly doubtful: number;
}

// A webhook whose connection broke after the request was out is a retry, because its receiver knows copies by their id; the detail
// then says that the receiver may have got it, twice if the call was repeated at once and broke again.
const tablesText = `
SELECT coalesce(l.id, m.id) AS id, l.id IS NOT NULL AS ledger, m.status,
  EXISTS (SELECT FROM herald.inbox i WHERE i.message_id = m.id) AS "isItem",
  coalesce(m.step IS NOT NULL AND m.status = 'cancelled', false) AS "isNeedless", (
    SELECT coalesce(sum(CASE WHEN a.outcome = 'unknown' OR a.detail LIKE 'recorded late%' THEN 1
      ELSE (length(a.detail) - length(replace(a.detail, 'may have got it', ''))) / length('may have got it') END), 0)::int
    FROM herald.attempt a WHERE a.message_id = m.id) AS doubtful
FROM chaos.ledger l FULL JOIN herald.message m ON m.id = l.id`;

/** What is on record about a message whose copies nothing explains: where a hunt begins. */
export interface Riddle {
  readonly id: string;
  readonly accepted: readonly string[];
  readonly attempts: readonly object[];
}

export interface Records {
  readonly accepted: readonly Acceptance[];
  readonly transactions: readonly TransactionRecord[];
  readonly pool: Pool;
}

export async function compare({ accepted, transactions, pool }: Records): Promise<Comparison> {
  const rows = new Map((await pool.query<TableRow>(tablesText)).rows.map((row) => [row.id, row]));
  const copies = new Map<string, number>();
  for (const { id } of accepted) copies.set(id, (copies.get(id) ?? 0) + 1);
  const committed = [...rows.values()].filter((row) => row.ledger);
  const begun = new Set(transactions.flatMap((transaction) => transaction.ids));
  const confirmed = transactions.filter(({ state }) => state === 'committed').flatMap(({ ids }) => ids);
  const extra = [...copies].map(([id, times]) => ({ id, copies: times - 1, doubtful: rows.get(id)?.doubtful ?? 0 }));
  const duplicates = extra.reduce((sum, each) => sum + each.copies, 0);
  const explained = extra.reduce((sum, each) => sum + Math.min(each.copies, each.doubtful), 0);
  const riddles = extra.filter((each) => each.copies > each.doubtful).map(({ id }) => id);
  const inLedger = (id: string) => rows.get(id)?.ledger === true;
  return {
    committed: committed.length,
    rolledBack: [...begun].filter((id) => !inLedger(id)).length,
    delivered: copies.size,
    lost: committed.filter(({ id, isItem, isNeedless }) => !copies.has(id) && !isItem && !isNeedless).length,
    lostCommits: confirmed.filter((id) => !inLedger(id)).length,
    phantom: [...copies.keys()].filter((id) => !inLedger(id)).length + (rows.size - committed.length),
    unsettled: committed.filter(({ status, isNeedless }) => status !== 'sent' && !isNeedless).length,
    needless: committed.filter(({ isNeedless }) => isNeedless).length,
    cancelledAndSent: committed.filter(({ id, isNeedless, doubtful }) => isNeedless && (copies.get(id) ?? 0) > doubtful)
      .length,
    duplicates,
    explained,
    unexplained: duplicates - explained,
    riddles: await Promise.all(riddles.slice(0, 20).map((id) => riddleOf(id, accepted, pool))),
  };
}

async function riddleOf(id: string, accepted: readonly Acceptance[], pool: Pool): Promise<Riddle> {
  const times = accepted.filter((each) => each.id === id).map(({ at }) => new Date(at).toISOString());
  const { rows } = await pool.query<object>(
    'SELECT number, worker, started_at, finished_at, outcome, reason, detail FROM herald.attempt WHERE message_id = $1 ORDER BY number',
    [id],
  );
  return { id, accepted: times, attempts: rows };
}
