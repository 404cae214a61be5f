/** Which sender may have delivered a message, although that is not certain: kept in herald.refusal as `unknown`. */
import { codeOf } from '../../errors.ts';
import type { DispatcherServices } from '../dispatcher.ts';

/** An earlier attempt may have delivered the message. */
export interface UncertainDelivery {
  /** The sender of that attempt; null if it is not known. */
  readonly sender: string | null;
}

/** The attempts of one method that may or may not have delivered their message. */
export interface UncertainDeliveries {
  /** Records that a sender may have delivered a message. */
  record(sender: string, messageId: string): Promise<void>;
  /** @returns the sender of an earlier attempt that may have delivered the message, if there was such an attempt. */
  of(messageId: string): Promise<UncertainDelivery | null>;
}

const recordStatement = `
INSERT INTO herald.refusal (method, sender, kind, message_id) VALUES ($1, $2, 'unknown', $3)
ON CONFLICT DO NOTHING`;

const readStatement = `
SELECT (SELECT r.sender FROM herald.refusal r
  WHERE r.method = $1 AND r.sender = ANY ($3) AND r.kind = 'unknown' AND r.message_id = $2
  ORDER BY r.at DESC LIMIT 1) AS sender
WHERE EXISTS (SELECT FROM herald.attempt a WHERE a.message_id = $2 AND a.outcome = 'unknown')`;

/** @param senders the names of the senders that this worker has */
export function createUncertainDeliveries(
  { pool, method, logger }: DispatcherServices,
  senders: readonly string[],
): UncertainDeliveries {
  async function query(text: string, values: readonly unknown[]): Promise<UncertainDelivery[]> {
    try {
      return (await pool.query<UncertainDelivery>(text, [...values])).rows;
    } catch (error) {
      logger.error({ method, error: codeOf(error) }, 'cannot record or read which sender may have delivered a message');
      return [];
    }
  }

  return {
    async record(sender, messageId) {
      await query(recordStatement, [method, sender, messageId]);
    },
    of: async (messageId) => (await query(readStatement, [method, messageId, senders]))[0] ?? null,
  };
}
