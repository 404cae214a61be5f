/**
 * Which leased messages may be sent now: not those whose senders are paused, and no more than the rate limits allow.
 * The others get a later time. No attempt is counted.
 */
import { domainToASCII } from 'node:url';
import type { Pool } from 'pg';
import type { Deferral } from '../dispatcher.ts';
import type { ConfiguredSender } from './failover.ts';
import type { Bucket, RateLimits, TokenRequest } from '../rate-limits.ts';
import type { SenderPause, SenderPauses } from './sender-pauses.ts';
import { candidatesOf, type SenderRequest, type SenderSettings } from './senders.ts';

/** What admission needs. */
export interface AdmissionServices {
  readonly pool: Pool;
  readonly method: string;
  readonly senders: readonly ConfiguredSender[];
  readonly senderPauses: SenderPauses;
  readonly rateLimits: RateLimits;
  /** How many more messages can be sent at once. */
  readonly freeSlots: () => number;
}

interface AdmissionRequest extends SenderRequest {
  readonly id: string;
  readonly now: Date;
  readonly domain: string;
  /** It met a fault before: another one is the better probe. */
  readonly metFault: boolean;
}

const requestStatement = `
SELECT m.id, now() AS now, m.tenant,
  coalesce(t.sender, (SELECT n.sender FROM herald.tenant n WHERE n.id = m.tenant)) AS sender,
  m.fault_at IS NOT NULL AS "metFault",
  coalesce(lower(substring(m.recipient ->> 'email' FROM '[^@]*$') COLLATE "C"), '') AS domain
FROM herald.message m JOIN herald.template t ON t.name = m.template WHERE m.id = ANY ($1::uuid[])`;

/** Whether the settings require admission: with one unlimited sender every message may be sent. */
export function needsAdmission(senders: readonly SenderSettings[]): boolean {
  return senders.length > 1 || senders.some(({ settings }) => isLimited(settings));
}

function isLimited({ messagesPerSecond, messagesPerSecondToDomain }: ConfiguredSender['settings']): boolean {
  return messagesPerSecond !== null || Object.keys(messagesPerSecondToDomain).length > 0;
}

/** Returns when to look again at each of the messages that cannot be sent now. */
export async function admit(
  messageIds: readonly string[],
  services: AdmissionServices,
): Promise<ReadonlyMap<string, Deferral>> {
  const { pool, senders, senderPauses, rateLimits } = services;
  const { rows } = await pool.query<AdmissionRequest>(requestStatement, [messageIds]);
  const known = new Map(rows.map((row) => [row.id, row]));
  const paused = senders.length > 1 ? await senderPauses.current() : new Map<string, SenderPause>();
  const requests = messageIds
    .flatMap((id) => known.get(id) ?? [])
    .toSorted((a, b) => Number(a.metFault) - Number(b.metFault));
  const chosen = choose(requests, senders, paused);
  const waits = await rateLimits.take(
    chosen.send.map(({ message, sender }) => tokenRequestOf(message, sender, services.method)),
    services.freeSlots(),
  );
  // The database's time when the messages were read: this machine's clock may be wrong.
  const now = rows[0]?.now.getTime() ?? 0;
  return deferralsOf(chosen.wait, waits, now);
}

function deferralsOf(
  paused: Chosen['wait'],
  limited: ReadonlyMap<string, number>,
  now: number,
): ReadonlyMap<string, Deferral> {
  const deferral = (seconds: number, detail: string): Deferral => ({ at: new Date(now + seconds * 1000), detail });
  return new Map([
    ...paused.map(({ id, seconds }) => [id, deferral(seconds, 'waiting: its sender is paused')] as const),
    ...[...limited].map(([id, seconds]) => [id, deferral(seconds, 'waiting: the rate is limited')] as const),
  ]);
}

interface Chosen {
  readonly send: { readonly message: AdmissionRequest; readonly sender: ConfiguredSender | undefined }[];
  readonly wait: { readonly id: string; readonly seconds: number }[];
}

/**
 * A sender whose probe is due gets one message. Where every sender is paused all messages pass: the first of them
 * pauses the method, if another replica has not done so.
 */
function choose(
  messages: readonly AdmissionRequest[],
  senders: readonly ConfiguredSender[],
  paused: ReadonlyMap<string, SenderPause>,
): Chosen {
  const chosen: Chosen = { send: [], wait: [] };
  const probed = new Set<string>();
  const all = senders.every(({ name }) => paused.has(name));
  for (const message of messages) {
    const candidates = candidatesOf(senders, message);
    const sender = candidates.find(({ name }) => !probed.has(name) && isReady(paused.get(name)));
    if (sender !== undefined && paused.has(sender.name)) probed.add(sender.name);
    if (sender !== undefined || candidates.length === 0 || all)
      chosen.send.push({ message, sender: sender ?? candidates[0] });
    else chosen.wait.push({ id: message.id, seconds: waitOf(candidates, paused) });
  }
  return chosen;
}

/** Not paused, or due for a probe. */
function isReady(pause: SenderPause | undefined): boolean {
  return pause === undefined || pause.probeSeconds <= 0;
}

/** Until the first probe, and at least as long as a probe takes. */
function waitOf(candidates: readonly ConfiguredSender[], paused: ReadonlyMap<string, SenderPause>): number {
  return Math.max(
    2,
    ...candidates
      .map(({ name }) => paused.get(name)?.probeSeconds ?? 0)
      .toSorted((a, b) => a - b)
      .slice(0, 1),
  );
}

function tokenRequestOf(
  { id, domain }: AdmissionRequest,
  sender: ConfiguredSender | undefined,
  method: string,
): TokenRequest {
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
