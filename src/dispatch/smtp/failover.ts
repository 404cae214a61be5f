/**
 * Which sender takes a message. A sender at fault is paused and the next one takes over; when every sender is paused,
 * so is the method.
 */
import { type Address, formatAddress } from '../../email-address.ts';
import type { Logger } from '../../vocabulary.ts';
import {
  type Delivery,
  type DispatchContext,
  type DispatchResult,
  type FailedDispatch,
  requeueUncounted,
} from '../dispatcher.ts';
import type { Evidence } from '../evidence/evidence.ts';
import { noConnection } from './classify-failure.ts';
import type { Knocker } from './knocker.ts';
import { domainOf } from './smtp-settings.ts';
import type { UncertainDeliveries, UncertainDelivery } from './uncertain-deliveries.ts';
import type { SenderPause, SenderPauses } from './sender-pauses.ts';
import type { Sender, SenderResult } from './sender.ts';
import { candidatesOf, type SenderSettings } from './senders.ts';

/** A sender and the tenants that it is for. */
export type ConfiguredSender = Sender & Pick<SenderSettings, 'tenants'>;

/** What sending with failover needs. */
export interface FailoverServices {
  readonly method: string;
  readonly logger: Logger;
  readonly senders: readonly ConfiguredSender[];
  readonly senderPauses: SenderPauses;
  readonly evidence: Evidence;
  /** By the names of the senders. */
  readonly knockers: ReadonlyMap<string, Knocker>;
  readonly uncertainDeliveries: UncertainDeliveries;
}

interface FailoverContext {
  readonly delivery: Delivery;
  readonly to: Address;
  readonly context: DispatchContext;
  readonly candidates: readonly ConfiguredSender[];
  readonly uncertain: UncertainDelivery | null;
}

/** Sends by the first candidate that is not paused, or whose probe is due. */
export async function sendWithFailover(
  delivery: Delivery,
  to: Address,
  context: DispatchContext,
  services: FailoverServices,
): Promise<DispatchResult> {
  const { senders, senderPauses } = services;
  const candidates = candidatesOf(senders, delivery);
  if (candidates.length === 0) return noSender(delivery.sender);
  const [paused, uncertain] = await readRecords(delivery, services);
  const request = { delivery, to, context, candidates, uncertain };
  for (const sender of orderCandidates(candidates, uncertain)) {
    const pause = paused.get(sender.name);
    const due = pause !== undefined && pause.probeSeconds <= 0;
    const probe = due && (await senderPauses.claimProbe(sender.name, delivery.messageId));
    if (pause === undefined || probe) return sendVia(sender, probe, request, services);
  }
  return waiting(candidates, paused, senders);
}

/** The paused senders, and an earlier attempt that may have delivered the message. One sender needs neither. */
function readRecords(
  { attempt, messageId }: Delivery,
  { senders, senderPauses, uncertainDeliveries }: FailoverServices,
): Promise<[ReadonlyMap<string, SenderPause>, UncertainDelivery | null]> {
  const several = senders.length > 1;
  return Promise.all([
    several ? senderPauses.current() : new Map<string, SenderPause>(),
    several && attempt > 1 ? uncertainDeliveries.of(messageId) : null,
  ]);
}

/**
 * After an attempt that may have delivered the message, the same sender comes first, so that a second copy has the same
 * bytes.
 */
function orderCandidates(
  candidates: readonly ConfiguredSender[],
  uncertain: UncertainDelivery | null,
): readonly ConfiguredSender[] {
  const isSame = ({ name }: ConfiguredSender) => name === uncertain?.sender;
  return [...candidates.filter(isSame), ...candidates.filter((each) => !isSame(each))];
}

async function sendVia(
  sender: ConfiguredSender,
  probe: boolean,
  request: FailoverContext,
  services: FailoverServices,
): Promise<DispatchResult> {
  const { senders, senderPauses, uncertainDeliveries } = services;
  const result = await sendAndWeigh(sender, request, services);
  if (senders.length === 1) return result;
  if (result.outcome === 'unknown') await uncertainDeliveries.record(sender.name, request.delivery.messageId);
  const named = annotate(result, sender.name, request.uncertain);
  if (named.outcome === 'sent' || !named.pauseMethod) {
    if (probe) await senderPauses.resume(sender.name);
    return named;
  }
  const { context, delivery, candidates } = request;
  // The message's own fault: the worker counts it, and the sender goes on.
  if (context.faultIsOwn && (await senderPauses.workedSinceFault(sender.name, delivery.messageId))) return named;
  await senderPauses.pause(sender.name, named);
  const requeued = requeue(named, candidates, await senderPauses.current(), senders);
  // The worker knows only that some sender worked since.
  return context.faultIsOwn ? withoutBlame(requeued) : requeued;
}

/** The same for one message that waits: no attempt is counted. */
function withoutBlame(failure: FailedDispatch): FailedDispatch {
  const { senderFault: _, ...rest } = requeueUncounted(failure, failure.retryAfterSeconds ?? 1);
  return rest;
}

async function sendAndWeigh(
  sender: ConfiguredSender,
  request: FailoverContext,
  services: FailoverServices,
): Promise<DispatchResult> {
  const { delivery, to, context, candidates } = request;
  // Every sender uses the first candidate's domain in the Message-ID, so that a receiver recognises a second copy.
  const idDomain = domainOf((candidates[0] ?? sender).settings.from.address);
  const sent = await sender.send(delivery, to, { context, idDomain });
  const result = await weigh(sender, sent, request, services);
  const knocker = services.knockers.get(sender.name);
  if (result.outcome === 'sent') knocker?.end();
  else if (result.pauseMethod && isOutage(result)) knocker?.begin();
  logAlert(result, sender, delivery, services);
  return result;
}

/** There was not even a connection. A relay that accepts connections and refuses us is left alone. */
function isOutage({ detail }: FailedDispatch): boolean {
  return detail.startsWith(noConnection);
}

/** Decides by evidence whether a refusal is the message's or the sender's fault. */
async function weigh(
  { name, connections }: ConfiguredSender,
  { result, refusal }: SenderResult,
  { delivery, to, context }: FailoverContext,
  { evidence }: FailoverServices,
): Promise<DispatchResult> {
  if (result.outcome === 'sent') evidence.accepted(name);
  // The size is the message's, whatever the phase.
  if (result.outcome === 'sent' || refusal === null || result.reason === 'too_large') return result;
  const { messageId, attempt } = delivery;
  const { phase, closing, transient, reply } = refusal;
  const beforeRecipient = phase === 'mail';
  const observed = {
    messageId,
    attempt,
    recipient: formatAddress(to),
    phase,
    beforeRecipient,
    closing,
    transient,
    reply,
  };
  const judged = await evidence.refused(name, observed, result);
  // Messages that wait for a connection were not tried: they are due as soon as the sender works again.
  if (judged.outcome === 'retry' && judged.pauseMethod && !context.faultIsOwn)
    connections.stop({ ...judged, retryAfterSeconds: 1 });
  return judged;
}

/** Codes only: a reply may repeat what a stranger wrote. */
function logAlert(
  result: DispatchResult,
  sender: ConfiguredSender,
  { messageId }: Delivery,
  { method, logger }: FailoverServices,
): void {
  if (result.outcome === 'sent' || !result.alert) return;
  const { reason, reply } = result;
  logger.warn(
    { method, sender: sender.name, messageId, reason, replyCode: reply?.code, enhanced: reply?.enhanced },
    'refused by policy: check the address of the sender and its SPF, DKIM and DMARC records',
  );
}

/** The sender is at fault. The message was certainly not accepted, so another sender may try at once. */
function requeue(
  fault: FailedDispatch,
  candidates: readonly ConfiguredSender[],
  paused: ReadonlyMap<string, SenderPause>,
  senders: readonly ConfiguredSender[],
): FailedDispatch {
  if (senders.every(({ name }) => paused.has(name)))
    return { ...fault, retryAfterSeconds: earliestProbe(senders, paused) };
  const another = candidates.some(({ name }) => !paused.has(name));
  return { ...requeueUncounted(fault, another ? 1 : earliestProbe(candidates, paused)), senderFault: true };
}

/** Every candidate is paused. */
function waiting(
  candidates: readonly ConfiguredSender[],
  paused: ReadonlyMap<string, SenderPause>,
  senders: readonly ConfiguredSender[],
): FailedDispatch {
  const names = candidates.map(({ name }) => name).join(', ');
  const first = paused.get(candidates[0]?.name ?? '');
  const are = candidates.length === 1 ? 'is' : 'are';
  const detail = `waiting: ${names} ${are} paused: ${first?.detail ?? 'at fault'}`;
  const reason = first?.reason ?? 'unreachable';
  const requeued = requeue({ outcome: 'retry', reason, detail, pauseMethod: true }, candidates, paused, senders);
  // The message was not tried: it has met no fault, but without a sender that can take it the method pauses.
  return requeued.pauseMethod ? requeued : withoutBlame(requeued);
}

function earliestProbe(senders: readonly ConfiguredSender[], paused: ReadonlyMap<string, SenderPause>): number {
  return Math.max(1, Math.min(...senders.map(({ name }) => paused.get(name)?.probeSeconds ?? 1)));
}

function noSender(name: string | null): FailedDispatch {
  return {
    outcome: 'retry',
    reason: 'misconfigured',
    detail:
      name === null
        ? 'no sender accepts messages of this tenant'
        : 'this worker does not have the sender that the template or the tenant names',
    countAttempt: false,
    retryAfterSeconds: 60,
    alert: true,
  };
}

/** Adds the name of the sender, and a note where the receiver may now have two copies. */
function annotate(result: DispatchResult, name: string, uncertain: UncertainDelivery | null): DispatchResult {
  if (result.outcome !== 'sent') return { ...result, detail: `${result.detail} (sender ${name})` };
  const by =
    uncertain === null || uncertain.sender === name
      ? ''
      : `; an earlier attempt${uncertain.sender === null ? '' : ` by ${uncertain.sender}`} may have been accepted`;
  return { ...result, detail: `by ${name}${by}` };
}
