/**
 * Rate limits that hold over all replicas: token buckets in herald.rate_bucket. A bucket holds the tokens of one
 * second, and at least one. Tokens are taken before a message is begun, so a message that has to wait occupies no slot.
 */
import type { Pool } from 'pg';
import { transaction } from '../database/pool.ts';

/** A token bucket: it fills at this rate, and holds the tokens of one second. */
export interface Bucket {
  readonly key: string;
  readonly perSecond: number;
}

/** A message and the buckets of which it takes one token each. */
export interface TokenRequest {
  readonly id: string;
  readonly buckets: readonly Bucket[];
}

/** The buckets of one method, or of one kind. */
export interface RateLimits {
  /**
   * Takes tokens for the messages in order, for at most `slots` of them.
   *
   * @returns how many seconds each message has to wait whose bucket is empty.
   */
  take(requests: readonly TokenRequest[], slots: number): Promise<ReadonlyMap<string, number>>;
  /**
   * Takes up to `wanted` tokens of each bucket.
   *
   * @returns by key, how many were granted.
   */
  grant(requests: readonly (Bucket & { readonly wanted: number })[]): Promise<ReadonlyMap<string, number>>;
}

/** Bounds of the waits that `take` returns, in seconds. */
const leastSeconds = 0.2;
const longestSeconds = 300;
/** A bucket is full again after this time even at the lowest rate, so its row can be deleted. */
const deleteAfterSeconds = 3600;

const createStatement = `INSERT INTO herald.rate_bucket (key, tokens)
SELECT b.key, greatest(b."perSecond", 1)
FROM jsonb_to_recordset($1::jsonb) AS b (key text, "perSecond" float8) ORDER BY b.key
ON CONFLICT DO NOTHING`;

const lockStatement = `SELECT key, tokens, extract(epoch FROM clock_timestamp() - updated_at)::float8 AS age
FROM herald.rate_bucket WHERE key = ANY ($1) ORDER BY key FOR UPDATE`;

const writeStatement = `UPDATE herald.rate_bucket r SET tokens = b.tokens, updated_at = clock_timestamp()
FROM jsonb_to_recordset($1::jsonb) AS b (key text, tokens float8) WHERE r.key = b.key`;

const deleteStatement = `
DELETE FROM herald.rate_bucket
WHERE starts_with(key, $1) AND updated_at < now() - interval '${deleteAfterSeconds} seconds'`;

/** Tokens by bucket; the caller that takes one subtracts it. */
type Tokens = Map<string, number>;

/** @param prefix of all keys. */
export function createRateLimits(pool: Pool, prefix: string): RateLimits {
  /** By bucket: when the next waiting message gets its turn, in milliseconds of `performance.now()`. */
  const nextTurns = new Map<string, number>();
  let deletedAt = Number.NEGATIVE_INFINITY;

  async function deleteUnused(now: number): Promise<void> {
    if (now - deletedAt < deleteAfterSeconds * 1000) return;
    deletedAt = now;
    for (const [key, at] of nextTurns) if (at < now) nextTurns.delete(key);
    await pool.query(deleteStatement, [prefix]);
  }

  /**
   * Refills the buckets, lets `take` subtract what it takes, and stores the rest; in one transaction that locks the
   * buckets.
   */
  async function withTokens<T>(buckets: ReadonlyMap<string, Bucket>, take: (tokens: Tokens) => T): Promise<T> {
    await deleteUnused(performance.now());
    return transaction(pool, async (client) => {
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
      const result = take(tokens);
      await client.query(writeStatement, [JSON.stringify([...tokens].map(([key, left]) => ({ key, tokens: left })))]);
      return result;
    });
  }

  return {
    async take(requests, slots) {
      const buckets = new Map(requests.flatMap((request) => request.buckets).map((bucket) => [bucket.key, bucket]));
      if (buckets.size === 0) return new Map();
      const now = performance.now();
      return withTokens(buckets, (tokens) => allot(requests, { tokens, nextTurns, now, slots }));
    },
    async grant(requests) {
      if (requests.length === 0) return new Map();
      return withTokens(new Map(requests.map((request) => [request.key, request])), (tokens) => {
        const granted = requests.map(({ key, wanted }) => {
          const count = Math.min(Math.floor(tokens.get(key) ?? 0), wanted);
          tokens.set(key, (tokens.get(key) ?? 0) - count);
          return [key, count] as const;
        });
        return new Map(granted);
      });
    },
  };
}

interface TokenState {
  readonly tokens: Tokens;
  readonly nextTurns: Map<string, number>;
  readonly now: number;
  /** How many messages can be sent at all. */
  readonly slots: number;
}

/**
 * Subtracts the tokens of the messages that can be sent.
 *
 * @returns the seconds that each of the others has to wait: one after the other, as the slowest of their buckets fills.
 */
export function allot(requests: readonly TokenRequest[], state: TokenState): ReadonlyMap<string, number> {
  const { tokens, slots } = state;
  const waits = new Map<string, number>();
  let taken = 0;
  for (const { id, buckets } of requests) {
    const empty = buckets.filter(({ key }) => (tokens.get(key) ?? 0) < 1);
    if (empty.length === 0) {
      // Without a free slot the tokens would be wasted; the message is looked at again in a moment.
      if (taken === slots) continue;
      taken += 1;
      for (const { key } of buckets) tokens.set(key, (tokens.get(key) ?? 0) - 1);
      continue;
    }
    const turns = empty.map((bucket) => takeTurn(bucket, state));
    waits.set(id, Math.min(longestSeconds, Math.max(leastSeconds, ...turns)));
  }
  return waits;
}

/** Takes the next turn of an empty bucket, and returns the seconds until then. */
function takeTurn({ key, perSecond }: Bucket, { tokens, nextTurns, now }: TokenState): number {
  const filled = now + ((1 - (tokens.get(key) ?? 0)) / perSecond) * 1000;
  const turn = Math.max(filled, nextTurns.get(key) ?? 0);
  // Beyond the longest wait messages share a turn; those that still have to wait then get another one.
  nextTurns.set(key, Math.min(turn + 1000 / perSecond, now + longestSeconds * 1000));
  return (turn - now) / 1000;
}
