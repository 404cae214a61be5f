/** Which sender takes a message, and what its fault means: it rests, the next takes over; when all rest the method is at fault. */
import type { Address } from '../../email-address.ts';
import type { Logger } from '../../vocabulary.ts';
import type { Delivery, DispatchContext, DispatchResult } from '../dispatcher.ts';
import type { Failure } from './connections.ts';
import { domainOf } from './options.ts';
import type { Doubt, Refusals } from './refusals.ts';
import type { Rest, Rests } from './sender-pauses.ts';
import type { Sender } from './sender.ts';
import { candidatesOf, type SenderSettings } from './senders.ts';

export type ConfiguredSender = Sender & Pick<SenderSettings, 'tenants'>;

export interface FailoverServices {
  readonly method: string;
  readonly logger: Logger;
  readonly senders: readonly ConfiguredSender[];
  readonly rests: Rests;
  readonly refusals: Refusals;
}

interface Turn {
  readonly delivery: Delivery;
  readonly to: Address;
  readonly context: DispatchContext;
  readonly candidates: readonly ConfiguredSender[];
  readonly doubt: Doubt | null;
}

/** Sends by the first candidate that does not rest, or whose probe this is. */
export async function sendBySome(
  delivery: Delivery,
  to: Address,
  context: DispatchContext,
  services: FailoverServices,
): Promise<DispatchResult> {
  const { senders, rests, refusals } = services;
  const candidates = candidatesOf(senders, delivery);
  if (candidates.length === 0) return nobody(delivery.sender);
  const several = senders.length > 1;
  const [resting, doubt] = await Promise.all([
    several ? rests.current() : new Map<string, Rest>(),
    several && delivery.attempt > 1 ? refusals.doubts(delivery.messageId) : null,
  ]);
  const turn = { delivery, to, context, candidates, doubt };
  for (const sender of inOrder(candidates, doubt)) {
    const rest = resting.get(sender.name);
    const probe = rest !== undefined && rest.probeSeconds <= 0 && (await rests.claimProbe(sender.name));
    if (rest === undefined || probe) return through(sender, probe, turn, services);
  }
  return waiting(candidates, resting, senders);
}

/** After an attempt that may have delivered it, its sender comes first: then the receiver sees the same bytes again. */
function inOrder(candidates: readonly ConfiguredSender[], doubt: Doubt | null): readonly ConfiguredSender[] {
  const isIt = ({ name }: ConfiguredSender) => name === doubt?.sender;
  return [...candidates.filter(isIt), ...candidates.filter((each) => !isIt(each))];
}

async function through(
  sender: ConfiguredSender,
  probe: boolean,
  turn: Turn,
  services: FailoverServices,
): Promise<DispatchResult> {
  const { delivery, to, context, candidates } = turn;
  const { method, logger, senders, rests, refusals } = services;
  // The Message-ID is the first one's whoever sends: a receiver that gets a message by two of them recognises it.
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
  if (result.outcome === 'unknown') await refusals.doubt(sender.name, delivery.messageId);
  const named = withName(result, sender.name, turn.doubt);
  if (named.outcome === 'sent' || named.fault !== 'method') {
    if (probe) await rests.end(sender.name);
    return named;
  }
  await rests.begin(sender.name, named);
  return handBack(named, candidates, await rests.current(), senders);
}

/** The sender is at fault. Not accepted is certain here, so another one may try at once. */
function handBack(
  fault: Failure,
  candidates: readonly ConfiguredSender[],
  resting: ReadonlyMap<string, Rest>,
  senders: readonly ConfiguredSender[],
): Failure {
  if (senders.every(({ name }) => resting.has(name))) return { ...fault, retryAfterSeconds: soonest(senders, resting) };
  const another = candidates.some(({ name }) => !resting.has(name));
  return { ...fault, fault: 'message-uncharged', retryAfterSeconds: another ? 1 : soonest(candidates, resting) };
}

/** All that may take it rest. */
function waiting(
  candidates: readonly ConfiguredSender[],
  resting: ReadonlyMap<string, Rest>,
  senders: readonly ConfiguredSender[],
): Failure {
  const names = candidates.map(({ name }) => name).join(', ');
  const { reason, detail } = resting.get(candidates[0]?.name ?? '') ?? {
    reason: 'unreachable' as const,
    detail: 'at fault',
  };
  return handBack(
    {
      outcome: 'retry',
      reason,
      detail: `waits, since ${names} ${candidates.length === 1 ? 'rests' : 'rest'}: ${detail}`,
    },
    candidates,
    resting,
    senders,
  );
}

function soonest(senders: readonly ConfiguredSender[], resting: ReadonlyMap<string, Rest>): number {
  return Math.max(1, Math.min(...senders.map(({ name }) => resting.get(name)?.probeSeconds ?? 1)));
}

function nobody(name: string | null): Failure {
  return {
    outcome: 'retry',
    reason: 'misconfigured',
    detail: name === null ? 'no sender takes it' : 'the template asks for a sender that this worker does not have',
    fault: 'message-uncharged',
    retryAfterSeconds: 60,
    alert: true,
  };
}

/** Says which sender it was, and where the receiver may now have the message twice. */
function withName(result: DispatchResult, name: string, doubt: Doubt | null): DispatchResult {
  if (result.outcome !== 'sent') return { ...result, detail: `${result.detail} (sender ${name})` };
  const by =
    doubt === null || doubt.sender === name
      ? ''
      : `; an earlier attempt${doubt.sender === null ? '' : ` by ${doubt.sender}`} may have been accepted`;
  return { ...result, detail: `by ${name}${by}` };
}
