/**
 * The evidence against the senders or endpoints of one method, for all replicas and across restarts. Here each of them
 * is a sender. Results of a sender are taken in the order in which they come, because only consecutive refusals are
 * evidence. While the database is unavailable nothing is decided: a refused message is put back.
 */
import { codeOf } from '../../errors.ts';
import type { Reason } from '../../vocabulary.ts';
import { type DispatcherServices, type DispatchResult, type FailedDispatch, requeueUncounted } from '../dispatcher.ts';
import { type Decision, judge } from './judge.ts';
import type { NormalisedReply } from './normalise-reply.ts';
import { createRefusalStore } from './refusal-store.ts';
import { createTurns, type Turns } from './turns.ts';

/** A message that a sender's server, or an endpoint, refused. */
export interface ObservedRefusal {
  readonly messageId: string;
  readonly attempt: number;
  /** The address that it goes to. Refusals of the same one are evidence once. */
  readonly recipient: string;
  /** The command that was refused. */
  readonly phase: string;
  /** The server had not seen the recipient yet. */
  readonly beforeRecipient: boolean;
  /** The server ended the session, which says little about the message. */
  readonly closing: boolean;
  /** The server may accept the same message later. */
  readonly transient: boolean;
  readonly reply: NormalisedReply;
}

/** Whom the evidence is about. */
export interface EvidenceOptions {
  readonly accused: 'sender' | 'endpoint';
  /** First wait of a message that is put back, doubled each time. It ends early when the sender works again. */
  readonly putBackSeconds: number;
}

/** The evidence against the senders of one method. */
export interface Evidence {
  /** Completes what earlier processes began, and deletes old refusals from then on. */
  start(): Promise<void>;
  /**
   * The sender's server accepted a message, so earlier refusals are their messages' own. Recorded in the background.
   */
  accepted(sender: string): void;
  /** Whether this process knows of a refusal by the sender since its last accepted message. */
  suspects(sender: string): boolean;
  /** Judges a refusal. @returns `result` as it is, or as the fault of the sender. */
  refused(sender: string, refusal: ObservedRefusal, result: FailedDispatch): Promise<DispatchResult>;
  /** Resolves when nothing is left to write. */
  close(): Promise<void>;
}

/**
 * Greylists refuse a message a few times, which costs nothing: transient refusals are evidence from this attempt on.
 */
const transientFromAttempt = 4;
/** Wait of a message that was refused with 421. */
const closingSeconds = 30;
/** Wait of a message whose refusal could not be judged. */
const unjudgedSeconds = 30;
const longestPutBackSeconds = 600;
const cleanUpMs = 3_600_000;

/** Creates the evidence of one method. It reads and writes nothing before `start`. */
export function createEvidence(services: DispatcherServices, options: EvidenceOptions): Evidence {
  const { pool, method } = services;
  const senders = new Map<string, SenderEvidence>();
  let cleaning: NodeJS.Timeout | undefined;

  function of(sender: string): SenderEvidence {
    const known = senders.get(sender) ?? createSenderEvidence(services, sender, options);
    senders.set(sender, known);
    return known;
  }

  async function cleanUp(): Promise<void> {
    await attempt(services, undefined, () => pool.query('SELECT herald.delete_old_refusals($1)', [method]));
    for (const [name, sender] of senders) if (sender.isIdle()) senders.delete(name);
  }

  return {
    async start() {
      await cleanUp();
      cleaning = setInterval(() => void cleanUp(), cleanUpMs).unref();
      const known = await attempt(services, null, () => pool.query<{ sender: string }>(putBackStatement, [method]));
      await Promise.all((known?.rows ?? []).map(({ sender }) => of(sender).resume()));
    },
    accepted: (sender) => of(sender).accepted(),
    suspects: (sender) => senders.get(sender)?.suspected ?? false,
    refused: async (sender, refusal, result) => {
      const early = refusal.transient && !refusal.closing && refusal.attempt < transientFromAttempt;
      return early && !refusal.beforeRecipient ? result : of(sender).refused(refusal, result);
    },
    async close() {
      clearInterval(cleaning);
      await Promise.all([...senders.values()].map((each) => each.close()));
    },
  };
}

const putBackStatement = `
SELECT DISTINCT sender FROM herald.refusal WHERE method = $1 AND kind = 'refused' AND put_back_at IS NOT NULL`;

interface SenderEvidence {
  /** There may be refusals since the last accepted message. */
  readonly suspected: boolean;
  /** Nothing is under way or to be written, and nothing speaks against the sender. */
  isIdle(): boolean;
  resume(): Promise<void>;
  accepted(): void;
  refused(refusal: ObservedRefusal, result: FailedDispatch): Promise<DispatchResult>;
  close(): Promise<void>;
}

/** By then the results of the messages in flight are recorded, so that they can be put back as well. */
const lateMs = 3000;

function createSenderEvidence(services: DispatcherServices, sender: string, options: EvidenceOptions): SenderEvidence {
  const { method, logger } = services;
  const { accused, putBackSeconds } = options;
  const store = createRefusalStore(services, sender);
  const turns = createTurns();
  const successes = createSuccesses(turns, (secondsAgo) =>
    attempt(services, undefined, () => store.accepted(secondsAgo)),
  );

  async function putBackLate(): Promise<void> {
    const messages = await attempt(services, 0, () => store.putBackLate(putBackSeconds));
    if (messages > 0) logger.warn({ method, sender, messages }, `messages put back: the ${accused} was at fault`);
  }

  async function judged(refusal: ObservedRefusal): Promise<Judged> {
    await successes.record();
    successes.suspected = true;
    const { messageId, attempt: number, recipient, phase, beforeRecipient } = refusal;
    const { text: _, ...words } = refusal.reply;
    const reply = { ...words, phase };
    const recorded = await store.record({ messageId, attempt: number, recipient, reply });
    const decision = judge(recorded.history, { messageId, recipient: recorded.recipient, reply, beforeRecipient });
    if (decision.atFault === 'sender') {
      await store.putBack([messageId, ...decision.alike], putBackSeconds);
      turns.later(lateMs, putBackLate);
    }
    return { decision, again: recorded.history.earlier !== 'none', putBacks: recorded.putBacks };
  }

  return {
    get suspected() {
      return successes.suspected;
    },
    isIdle: () => !successes.suspected && turns.isIdle(),
    async resume() {
      successes.suspected = true;
      await turns.take(putBackLate);
    },
    accepted: () => successes.add(),
    async refused(refusal, result) {
      const found = await attempt(services, null, () => turns.take(() => judged(refusal)));
      if (found === null) return unjudged(result, options);
      return found.decision.atFault === 'sender'
        ? faultOfSender(result, found, options)
        : faultOfMessage(result, refusal, found);
    },
    close: () => turns.close(),
  };
}

/** The accepted messages of a sender: only the time of the last one matters, and it is written now and then. */
interface Successes {
  /** There may be refusals since the last one, so the next one is written at once. */
  suspected: boolean;
  add(): void;
  /** Writes the last one, if it is not written. */
  readonly record: () => Promise<void>;
}

/** How often a success is written while nothing speaks against the sender. */
const recordAcceptedMs = 1000;

function createSuccesses(turns: Turns, write: (secondsAgo: number) => Promise<void>): Successes {
  let acceptedAt: number | null = null;
  let recordedAt = Number.NEGATIVE_INFINITY;
  const successes: Successes = {
    suspected: false,
    add() {
      const pending = acceptedAt !== null;
      acceptedAt = performance.now();
      if (successes.suspected) void turns.take(successes.record);
      else if (!pending) turns.later(recordedAt + recordAcceptedMs - acceptedAt, successes.record);
    },
    async record() {
      if (acceptedAt === null) return;
      const secondsAgo = (performance.now() - acceptedAt) / 1000;
      acceptedAt = null;
      recordedAt = performance.now();
      successes.suspected = false;
      await write(secondsAgo);
    },
  };
  return successes;
}

interface Judged {
  readonly decision: Decision;
  /** This message was refused before. */
  readonly again: boolean;
  readonly putBacks: number;
}

/** Whose fault it is cannot be known: the message must not fail for it, and nothing must pause. */
function unjudged(result: FailedDispatch, { accused }: EvidenceOptions): FailedDispatch {
  const { addressFault: _, ...rest } = requeueUncounted(result, unjudgedSeconds);
  const detail = `${result.detail} (put back: the evidence against the ${accused} could not be read)`;
  return { ...rest, outcome: 'retry', reason: senderReason(result.reason), detail };
}

function faultOfSender(
  result: FailedDispatch,
  { decision, putBacks }: Judged,
  { accused, putBackSeconds }: EvidenceOptions,
): FailedDispatch {
  const { addressFault: _, retryAfterSeconds = 0, ...rest } = result;
  const wait = Math.min(putBackSeconds * 2 ** putBacks, longestPutBackSeconds);
  return {
    ...rest,
    outcome: 'retry',
    pauseMethod: true,
    reason: senderReason(result.reason),
    // A demand for a login or for TLS says whose fault it is.
    detail: result.pauseMethod
      ? result.detail
      : `${decision.evidence}, so the ${accused} is at fault: ${result.detail}`,
    // After the first probe, which is another message's if there is one.
    retryAfterSeconds: Math.max(retryAfterSeconds, wait),
    probeAfterSeconds: retryAfterSeconds,
    alert: true,
  };
}

/** Nothing about the recipient is known. */
function senderReason(reason: Reason): Reason {
  return reason === 'no_such_recipient' || reason === 'mailbox_full' ? 'refused' : reason;
}

function faultOfMessage(result: FailedDispatch, refusal: ObservedRefusal, { decision, again }: Judged): FailedDispatch {
  if (refusal.closing && !again) return requeueUncounted(result, closingSeconds);
  if (decision.evidence === null) return result;
  const { pauseMethod: _, ...rest } = result;
  return { ...rest, detail: `${result.detail} (${decision.evidence})` };
}

async function attempt<T>({ method, logger }: DispatcherServices, otherwise: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    logger.error({ method, error: codeOf(error) }, 'cannot record or read the refusals of a sender');
    return otherwise;
  }
}
