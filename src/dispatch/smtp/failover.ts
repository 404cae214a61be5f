/**
 * Which sender takes a message. A sender at fault is paused and the next one takes over; when every sender is paused, so is the
 * method.
 */
import type { Address } from '../../email-address.ts';
import type { Logger } from '../../vocabulary.ts';
import { type Delivery, type DispatchContext, type DispatchResult, requeueUncounted } from '../dispatcher.ts';
import type { Failure } from './connections.ts';
import { domainOf } from './smtp-options.ts';
import type { UncertainDelivery, Refusals } from './refusals.ts';
import type { SenderPause, SenderPauses } from './sender-pauses.ts';
import type { Sender } from './sender.ts';
import { candidatesOf, type SenderSettings } from './senders.ts';

export type ConfiguredSender = Sender & Pick<SenderSettings, 'tenants'>;

export interface FailoverServices {
  readonly method: string;
  readonly logger: Logger;
  readonly senders: readonly ConfiguredSender[];
  readonly senderPauses: SenderPauses;
  readonly refusals: Refusals;
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
  const { senders, senderPauses, refusals } = services;
  const candidates = candidatesOf(senders, delivery);
  if (candidates.length === 0) return noSender(delivery.sender);
  const several = senders.length > 1;
  const [paused, uncertain] = await Promise.all([
    several ? senderPauses.current() : new Map<string, SenderPause>(),
    several && delivery.attempt > 1 ? refusals.uncertainDeliveryOf(delivery.messageId) : null,
  ]);
  const request = { delivery, to, context, candidates, uncertain };
  for (const sender of orderCandidates(candidates, uncertain)) {
    const pause = paused.get(sender.name);
    const probe = pause !== undefined && pause.probeSeconds <= 0 && (await senderPauses.claimProbe(sender.name));
    if (pause === undefined || probe) return sendVia(sender, probe, request, services);
  }
  return waiting(candidates, paused, senders);
}

/** After an attempt that may have delivered the message, the same sender comes first, so that a second copy has the same bytes. */
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
  const { delivery, to, context, candidates } = request;
  const { method, logger, senders, senderPauses, refusals } = services;
  // Every sender uses the first candidate's domain in the Message-ID, so that a receiver recognises a second copy.
  const idDomain = domainOf((candidates[0] ?? sender).settings.from.address);
  const sent = await sender.send(delivery, to, { context, idDomain });
  const result = await refusals.judge(sender.name, delivery.messageId, sent);
  if (result.outcome !== 'sent' && result.alert)
    logger.warn(
      {
        method,
        sender: sender.name,
        messageId: delivery.messageId,
        reason: result.reason,
        replyCode: result.reply?.code,
        enhanced: result.reply?.enhanced,
      },
      'refused by policy: look at the address of the sender and its SPF, DKIM and DMARC records',
    );
  if (senders.length === 1) return result;
  if (result.outcome === 'unknown') await refusals.recordUncertain(sender.name, delivery.messageId);
  const named = annotate(result, sender.name, request.uncertain);
  if (named.outcome === 'sent' || !named.pauseMethod) {
    if (probe) await senderPauses.resume(sender.name);
    return named;
  }
  await senderPauses.pause(sender.name, named);
  return requeue(named, candidates, await senderPauses.current(), senders);
}

/** The sender is at fault. The message was certainly not accepted, so another sender may try at once. */
function requeue(
  fault: Failure,
  candidates: readonly ConfiguredSender[],
  paused: ReadonlyMap<string, SenderPause>,
  senders: readonly ConfiguredSender[],
): Failure {
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
): Failure {
  const names = candidates.map(({ name }) => name).join(', ');
  const { reason, detail } = paused.get(candidates[0]?.name ?? '') ?? {
    reason: 'unreachable' as const,
    detail: 'at fault',
  };
  return requeue(
    {
      outcome: 'retry',
      reason,
      detail: `waiting: ${names} ${candidates.length === 1 ? 'is' : 'are'} paused: ${detail}`,
    },
    candidates,
    paused,
    senders,
  );
}

function earliestProbe(senders: readonly ConfiguredSender[], paused: ReadonlyMap<string, SenderPause>): number {
  return Math.max(1, Math.min(...senders.map(({ name }) => paused.get(name)?.probeSeconds ?? 1)));
}

function noSender(name: string | null): Failure {
  return {
    outcome: 'retry',
    reason: 'misconfigured',
    detail:
      name === null
        ? 'no sender accepts messages of this tenant'
        : 'this worker does not have the sender that the template names',
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
