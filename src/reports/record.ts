/** Records claims in the database: all claims of one report in one statement, which is one transaction. */
import type { Queryable } from '../database/pool.ts';
import { exactJson } from '../database/exact-json.ts';
import { normaliseReply } from '../dispatch/evidence/normalise-reply.ts';
import { messageTexts } from '../dispatch/smtp/known-texts.ts';
import { storable } from '../printable.ts';
import type { Recipient } from '../vocabulary.ts';
import type { Claim } from './claim.ts';
import { policyOf } from './policy.ts';

/** What became of a report about one recipient. */
export interface RecordedReport {
  /** `repeated`: it was recorded before. `unmatched`: it counts for no message. */
  readonly result: 'recorded' | 'repeated' | 'unmatched';
  /** The message that it is about; null: none of ours. */
  readonly messageId: string | null;
  /** Whether the address is suppressed from now on, because of this report. */
  readonly suppressed: boolean;
}

const recordText = `
SELECT result, message_id AS "messageId", suppressed FROM herald.record_reports($1::text::jsonb)`;

/** Rejects if the database is unavailable, and then nothing is recorded. Safe to repeat. */
export async function recordClaims(client: Queryable, claims: readonly Claim[]): Promise<RecordedReport[]> {
  const reports: object[] = [];
  for (const claim of claims) reports.push(reportOf(claim, await redacted(client, claim)));
  return (await client.query<RecordedReport>(recordText, [JSON.stringify(reports)])).rows;
}

/** JSON leaves out what is undefined. Nothing that a stranger wrote is longer than its column should be. */
function reportOf(claim: Claim, replyText: string | null): object {
  const { messageId, receiverId, addresses, kind, unmatched, enhanced, reporter, source, sourceId } = claim;
  return {
    messageId,
    receiverId: receiverId === null ? null : storable(receiverId, 200),
    addresses: addresses.slice(0, 100).map((address) => storable(address, 400)),
    kind,
    effect: policyOf(claim),
    unmatched,
    statusCode: enhanced,
    replyText,
    reporter: reporter === null ? null : storable(reporter, 300),
    source,
    sourceId: storable(sourceId, 300),
  };
}

interface KnownMessage {
  readonly id: string;
  readonly recipient: Recipient;
  readonly targets: readonly string[];
  readonly tenant: string | null;
  readonly groupKey: string | null;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly data: string | null;
}

const knownText = `
SELECT m.id, m.recipient, m.targets, m.tenant, m.group_key AS "groupKey", n.labels, n.data::text AS data
FROM herald.message m LEFT JOIN herald.notification n ON n.id = m.notification_id
WHERE m.id = herald.reported_message($1, $2, $3)`;

/** A server repeats what it was sent: what the message said and to whom is removed, as from every stored reply. */
async function redacted(client: Queryable, claim: Claim): Promise<string | null> {
  const { said, unmatched, messageId, receiverId, addresses } = claim;
  if (said === null || unmatched !== null) return null;
  const values = [messageId, receiverId === null ? null : storable(receiverId, 200), addresses.slice(0, 100)];
  const [message] = (await client.query<KnownMessage>(knownText, values)).rows;
  if (message === undefined) return null;
  const { id, labels, data, ...rest } = message;
  const texts = messageTexts({ ...rest, messageId: id, labels: labels ?? {}, data: exactJson(data) });
  return normaliseReply(said, { texts: [...texts, ...addresses], secrets: [] }).text;
}
