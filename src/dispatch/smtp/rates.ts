/**
 * Rates that hold over all replicas: token buckets in herald.rate_bucket, each with the tokens of one second. Tokens are taken before a
 * message is begun, so that what has to wait holds no slot; it is told when to come again.
 */
import type { Pool, PoolClient } from 'pg';

export interface Bucket {
  readonly key: string;
  readonly perSecond: number;
}

/** A message and the buckets that it takes one token of each. */
export interface Want {
  readonly id: string;
  readonly buckets: readonly Bucket[];
}

export interface Rates {
  /**
   * Takes what there is, in order, for as many as there is room for. Answers after how many seconds each of those that find a bucket
   * empty shall come again.
   */
  take(wants: readonly Want[], room: number): Promise<ReadonlyMap<string, number>>;
}

/** Nobody is told to come sooner or later than this, in seconds. */
const leastSeconds = 0.2;
const longestSeconds = 300;
/** A bucket that nobody used for so long is full, at the lowest rate there is, and need not be kept. */
const forgetSeconds = 3600;

const createStatement = `INSERT INTO herald.rate_bucket (key, tokens)
SELECT b.key, greatest(b."perSecond", 1) FROM jsonb_to_recordset($1::jsonb) AS b (key text, "perSecond" float8) ORDER BY b.key
ON CONFLICT DO NOTHING`;

const lockStatement = `SELECT key, tokens, extract(epoch FROM clock_timestamp() - updated_at)::float8 AS age
FROM herald.rate_bucket WHERE key = ANY ($1) ORDER BY key FOR UPDATE`;

const writeStatement = `UPDATE herald.rate_bucket r SET tokens = b.tokens, updated_at = clock_timestamp()
FROM jsonb_to_recordset($1::jsonb) AS b (key text, tokens float8) WHERE r.key = b.key`;

const forgetStatement = `DELETE FROM herald.rate_bucket WHERE starts_with(key, $1) AND updated_at < now() - interval '${forgetSeconds} seconds'`;

/** @param prefix of all keys. */
export function createRates(pool: Pool, prefix: string): Rates {
  /** When the next one that has to wait gets its turn, by bucket; in milliseconds of `performance.now()`. */
  const horizons = new Map<string, number>();
  let forgotAt = Number.NEGATIVE_INFINITY;

  async function forget(now: number): Promise<void> {
    if (now - forgotAt < forgetSeconds * 1000) return;
    forgotAt = now;
    for (const [key, at] of horizons) if (at < now) horizons.delete(key);
    await pool.query(forgetStatement, [prefix]);
  }

  return {
    async take(wants, room) {
      const buckets = new Map(wants.flatMap((want) => want.buckets).map((bucket) => [bucket.key, bucket]));
      if (buckets.size === 0) return new Map();
      const now = performance.now();
      await forget(now);
      return inTransaction(pool, async (client) => {
        await client.query(createStatement, [JSON.stringify([...buckets.values()])]);
        const { rows } = await client.query<{ key: string; tokens: number; age: number }>(lockStatement, [
          [...buckets.keys()],
        ]);
        const tokens = new Map(
          rows.map(({ key, tokens: left, age }) => {
            const perSecond = buckets.get(key)?.perSecond ?? 0;
            return [key, Math.min(Math.max(perSecond, 1), left + Math.max(0, age) * perSecond)];
          }),
        );
        const waits = allot(wants, { tokens, horizons, now, room });
        await client.query(writeStatement, [JSON.stringify([...tokens].map(([key, left]) => ({ key, tokens: left })))]);
        return waits;
      });
    },
  };
}

interface Supply {
  /** By bucket; what is given away is taken off. */
  readonly tokens: Map<string, number>;
  readonly horizons: Map<string, number>;
  readonly now: number;
  /** How many can go at all. */
  readonly room: number;
}

/** Who has to wait, and how many seconds: one after the other, as the slowest of their buckets fills. */
export function allot(wants: readonly Want[], { tokens, horizons, now, room }: Supply): ReadonlyMap<string, number> {
  const waits = new Map<string, number>();
  let going = 0;
  for (const { id, buckets } of wants) {
    const empty = buckets.filter(({ key }) => (tokens.get(key) ?? 0) < 1);
    if (empty.length === 0) {
      // Without a slot it would only waste the tokens; it comes again in a moment by itself.
      if (going === room) continue;
      going += 1;
      for (const { key } of buckets) tokens.set(key, (tokens.get(key) ?? 0) - 1);
      continue;
    }
    const turns = empty.map(({ key, perSecond }) => {
      const filled = now + ((1 - (tokens.get(key) ?? 0)) / perSecond) * 1000;
      const turn = Math.max(filled, horizons.get(key) ?? 0);
      // Beyond the longest wait they share a turn; whoever still has to wait then gets another.
      horizons.set(key, Math.min(turn + 1000 / perSecond, now + longestSeconds * 1000));
      return (turn - now) / 1000;
    });
    waits.set(id, Math.min(longestSeconds, Math.max(leastSeconds, ...turns)));
  }
  return waits;
}

async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}
