/**
 * Which leased messages may go now: not those whose senders rest, and no more than the rates allow. The others are told when to come
 * again, and their rows say so; nothing is charged.
 */
import { domainToASCII } from 'node:url';
import type { Pool } from 'pg';
import type { ConfiguredSender } from './failover.ts';
import type { Bucket, Rates, Want } from './rates.ts';
import type { Rest, Rests } from './sender-pauses.ts';
import { candidatesOf, type Wish } from './senders.ts';

export interface AdmissionServices {
  readonly pool: Pool;
  readonly method: string;
  readonly senders: readonly ConfiguredSender[];
  readonly rests: Rests;
  readonly rates: Rates;
  /** How many messages there is a slot for. */
  readonly room: () => number;
}

interface Addressed extends Wish {
  readonly id: string;
  readonly domain: string;
}

interface Later {
  readonly id: string;
  readonly seconds: number;
  readonly detail: string;
}

const addressedStatement = `SELECT m.id, t.sender, m.tenant, coalesce(lower(substring(m.recipient ->> 'email' FROM '[^@]*$')), '') AS domain
FROM herald.message m JOIN herald.template t ON t.name = m.template WHERE m.id = ANY ($1::uuid[])`;

const laterStatement = `
WITH later AS (
  SELECT l.id, now() + l.seconds * interval '1 second' AS at, l.detail FROM jsonb_to_recordset($1::jsonb) AS l (id uuid, seconds float8, detail text)
), moved AS (
  UPDATE herald.message m SET next_attempt_at = l.at, detail = l.detail FROM later l WHERE m.id = l.id AND m.status = 'pending'
)
SELECT id, at FROM later`;

/** Whether there is anything to decide before a message is begun. */
export function needsAdmission(senders: readonly ConfiguredSender[]): boolean {
  return senders.length > 1 || senders.some(({ settings }) => isLimited(settings));
}

function isLimited({ messagesPerSecond, messagesPerSecondToDomain }: ConfiguredSender['settings']): boolean {
  return messagesPerSecond !== null || Object.keys(messagesPerSecondToDomain).length > 0;
}

/** When each of the messages that cannot go now shall be looked at again. */
export async function admit(
  messageIds: readonly string[],
  services: AdmissionServices,
): Promise<ReadonlyMap<string, Date>> {
  const { pool, senders, rests, rates } = services;
  const { rows } = await pool.query<Addressed>(addressedStatement, [messageIds]);
  const known = new Map(rows.map((row) => [row.id, row]));
  const resting = senders.length > 1 ? await rests.current() : new Map<string, Rest>();
  const chosen = choose(
    messageIds.flatMap((id) => known.get(id) ?? []),
    senders,
    resting,
  );
  const waits = await rates.take(
    chosen.go.map(({ message, sender }) => wantOf(message, sender, services.method)),
    services.room(),
  );
  const entries: Later[] = [
    ...chosen.wait.map(({ id, seconds }) => ({ id, seconds, detail: 'waits: its sender rests' })),
    ...[...waits].map(([id, seconds]) => ({ id, seconds, detail: 'waits for its turn: the rate is limited' })),
  ];
  if (entries.length === 0) return new Map();
  const later = await pool.query<{ id: string; at: Date }>(laterStatement, [JSON.stringify(entries)]);
  return new Map(later.rows.map(({ id, at }) => [id, at]));
}

interface Chosen {
  readonly go: { readonly message: Addressed; readonly sender: ConfiguredSender | undefined }[];
  readonly wait: { readonly id: string; readonly seconds: number }[];
}

/** A sender whose probe is due gets one message. Where all rest, the messages go: the first of them pauses the method. */
function choose(
  messages: readonly Addressed[],
  senders: readonly ConfiguredSender[],
  resting: ReadonlyMap<string, Rest>,
): Chosen {
  const chosen: Chosen = { go: [], wait: [] };
  const probed = new Set<string>();
  const all = senders.every(({ name }) => resting.has(name));
  for (const message of messages) {
    const candidates = candidatesOf(senders, message);
    const sender = candidates.find(({ name }) => {
      const rest = resting.get(name);
      return rest === undefined || (rest.probeSeconds <= 0 && !probed.has(name));
    });
    if (sender !== undefined && resting.has(sender.name)) probed.add(sender.name);
    if (sender !== undefined || candidates.length === 0 || all)
      chosen.go.push({ message, sender: sender ?? candidates[0] });
    else chosen.wait.push({ id: message.id, seconds: waitOf(candidates, resting) });
  }
  return chosen;
}

/** Until the first probe, which takes a moment itself. */
function waitOf(candidates: readonly ConfiguredSender[], resting: ReadonlyMap<string, Rest>): number {
  return Math.max(
    2,
    ...candidates
      .map(({ name }) => resting.get(name)?.probeSeconds ?? 0)
      .toSorted((a, b) => a - b)
      .slice(0, 1),
  );
}

function wantOf({ id, domain }: Addressed, sender: ConfiguredSender | undefined, method: string): Want {
  if (sender === undefined) return { id, buckets: [] };
  const { messagesPerSecond, messagesPerSecondToDomain: byDomain } = sender.settings;
  const ascii = domainToASCII(domain);
  const toDomain = Object.hasOwn(byDomain, ascii) ? byDomain[ascii] : byDomain['*'];
  const key = `${method}/${sender.name}`;
  const buckets: Bucket[] = [
    ...(messagesPerSecond === null ? [] : [{ key, perSecond: messagesPerSecond }]),
    ...(toDomain === undefined ? [] : [{ key: `${key}/${ascii}`, perSecond: toDomain }]),
  ];
  return { id, buckets };
}
