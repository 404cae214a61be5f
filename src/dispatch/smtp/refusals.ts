/**
 * Refusals that may be about the sender rather than the message: of its address (MAIL FROM), or by policy after the message (SPF, DKIM,
 * DMARC). The same to three messages in a row within ten minutes is the sender's fault; the messages are put back.
 */
import { codeOf } from '../../errors.ts';
import type { Failure } from './connections.ts';
import type { DispatchResult, DispatcherServices } from '../dispatcher.ts';

export interface Refusals {
  /** Passes a result on, or makes a fault of the sender of it. */
  judge(sender: string, messageId: string, result: DispatchResult): Promise<DispatchResult>;
  /** Notes that a sender may have delivered a message. */
  recordUncertain(sender: string, messageId: string): Promise<void>;
  /** Whether an attempt before may have delivered it, and which sender made it if that is known. */
  uncertainDeliveryOf(messageId: string): Promise<UncertainDelivery | null>;
  /** Ends what an earlier process began. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface UncertainDelivery {
  readonly sender: string | null;
}

const faultAfter = 3;
/** A refused address or DNS record is not mended in seconds. */
const probeSeconds = 60;
/** By then the results of the other messages are recorded, so that they can be put back. */
const sweepMs = 3000;
const doubtful = 'unknown';

// Rows of the future: after a fault the next refusal counts at once, until a success clears them.
const recordStatement = `
WITH mine AS (
  INSERT INTO herald.refusal AS r (method, sender, reply, message_id) VALUES ($1, $2, $3, $4)
  ON CONFLICT (method, sender, reply, message_id) DO UPDATE SET at = greatest(r.at, now())
)
SELECT count(*)::int AS others FROM herald.refusal
WHERE method = $1 AND sender = $2 AND reply = $3 AND message_id <> $4 AND at > now() - interval '10 minutes'`;

const keepStatement = `UPDATE herald.refusal SET at = now() + interval '1 hour'
WHERE method = $1 AND sender = $2 AND reply = $3 AND at > now() - interval '10 minutes'`;

const clearStatement = `DELETE FROM herald.refusal WHERE method = $1 AND sender = $2 AND reply <> '${doubtful}'`;

const doubtsStatement = `
SELECT (SELECT r.sender FROM herald.refusal r WHERE r.method = $1 AND r.sender = ANY ($3) AND r.reply = '${doubtful}' AND r.message_id = $2
  ORDER BY r.at DESC LIMIT 1) AS sender
WHERE EXISTS (SELECT FROM herald.attempt a WHERE a.message_id = $2 AND a.outcome = 'unknown')`;

const startStatement = `
WITH old AS (DELETE FROM herald.refusal WHERE method = $1 AND at < now() - interval '4 days')
SELECT sender, reply, count(*)::int AS messages FROM herald.refusal
WHERE method = $1 AND reply <> '${doubtful}' AND at > now() - interval '10 minutes' GROUP BY sender, reply`;

export function createRefusals({ pool, method, logger }: DispatcherServices, senders: readonly string[]): Refusals {
  /** Senders that have rows, as far as this process knows. */
  const refused = new Set<string>();
  /** What is being written of a sender: "in a row" is the order in which the results came, not the one in which they are written. */
  const turns = new Map<string, Promise<unknown>>();
  const sweeps = new Map<NodeJS.Timeout, () => Promise<void>>();

  /** What a query throws is logged, and `otherwise` stands in for its answer. */
  async function ask<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      logger.error({ method, error: codeOf(error) }, 'cannot record refusals');
      return otherwise;
    }
  }

  function inTurn<T>(sender: string, work: () => Promise<T>): Promise<T> {
    const turn = (turns.get(sender) ?? Promise.resolve()).then(work);
    turns.set(sender, turn);
    void turn.finally(() => turns.get(sender) === turn && turns.delete(sender));
    return turn;
  }

  const clear = (sender: string) =>
    ask(undefined, async () => {
      if (refused.delete(sender)) await pool.query(clearStatement, [method, sender]);
    });

  const putBack = (sender: string, reply: string) =>
    ask(undefined, async () => {
      const { rows } = await pool.query<{ n: string }>('SELECT herald.put_back_refused($1, $2, $3) AS n', [
        method,
        sender,
        reply,
      ]);
      const messages = Number(rows[0]?.n ?? 0);
      if (messages > 0) logger.warn({ method, sender, messages }, 'put back: their refusal was about the sender');
    });

  function sweepLater(sender: string, reply: string): void {
    const sweep = () => putBack(sender, reply);
    const timer = setTimeout(() => {
      sweeps.delete(timer);
      void sweep();
    }, sweepMs);
    timer.unref();
    sweeps.set(timer, sweep);
  }

  async function record(sender: string, messageId: string, failure: Failure): Promise<Failure> {
    const reply = keyOf(failure);
    refused.add(sender);
    const values = [method, sender, reply, messageId];
    const { rows } = await pool.query<{ others: number }>(recordStatement, values);
    if ((rows[0]?.others ?? 0) + 1 < faultAfter) return failure;
    await pool.query(keepStatement, [method, sender, reply]);
    await putBack(sender, reply);
    sweepLater(sender, reply);
    return {
      ...failure,
      outcome: 'retry',
      pauseMethod: true,
      detail: `${faultAfter} messages in a row were refused alike, so it is about the sender: ${failure.detail}`,
      retryAfterSeconds: probeSeconds,
      alert: true,
    };
  }

  return {
    async judge(sender, messageId, result) {
      // A success waits for nobody; only its place in the row counts.
      if (result.outcome === 'sent' && (refused.has(sender) || turns.has(sender)))
        void inTurn(sender, () => clear(sender));
      if (result.outcome !== 'failed' || !isAboutSender(result)) return result;
      return inTurn(sender, () => ask<Failure>(result, () => record(sender, messageId, result)));
    },
    async recordUncertain(sender, messageId) {
      const statement = `INSERT INTO herald.refusal (method, sender, reply, message_id) VALUES ($1, $2, '${doubtful}', $3) ON CONFLICT DO NOTHING`;
      await ask(undefined, async () => void (await pool.query(statement, [method, sender, messageId])));
    },
    uncertainDeliveryOf: (messageId) =>
      ask<UncertainDelivery | null>(null, async () => {
        const { rows } = await pool.query<UncertainDelivery>(doubtsStatement, [method, messageId, senders]);
        return rows[0] ?? null;
      }),
    start: () =>
      ask(undefined, async () => {
        const { rows } = await pool.query<{ sender: string; reply: string; messages: number }>(startStatement, [
          method,
        ]);
        for (const { sender, reply, messages } of rows) {
          refused.add(sender);
          if (messages >= faultAfter) await putBack(sender, reply);
        }
      }),
    async close() {
      await Promise.all(turns.values());
      const pending = [...sweeps];
      sweeps.clear();
      for (const [timer, sweep] of pending) {
        clearTimeout(timer);
        await sweep();
      }
    },
  };
}

function isAboutSender({ reason, alert }: Failure): boolean {
  return reason === 'sender_refused' || (reason === 'content_refused' && alert === true);
}

/** Phase and codes, never the text: servers put addresses and queue ids into it. */
function keyOf({ reason, reply }: Failure): string {
  return [reason, reply?.code, reply?.enhanced].filter((part) => part !== undefined).join(' ');
}
