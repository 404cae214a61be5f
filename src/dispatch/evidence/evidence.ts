/**
 * The evidence against the senders of one method, for all replicas and across restarts. Results of a sender are taken
 * in the order in which they come, because only consecutive refusals are evidence. While the database is unavailable a
 * refusal is its message's own.
 */
import { codeOf } from '../../errors.ts';
import type { Reason } from '../../vocabulary.ts';
import { type DispatcherServices, type DispatchResult, type FailedDispatch, requeueUncounted } from '../dispatcher.ts';
import { type Decision, judge } from './judge.ts';
import type { NormalisedReply } from './normalise-reply.ts';
import { createRefusalStore } from './refusal-store.ts';

/** A message that a sender's server refused. */
export interface ObservedRefusal {
  readonly messageId: string;
  readonly attempt: number;
  /** The address that it goes to. */
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

/** The evidence against the senders of one method. */
export interface Evidence {
  /** Completes what earlier processes began, and deletes old refusals from then on. */
  start(): Promise<void>;
  /**
   * The sender's server accepted a message, so earlier refusals are their messages' own. Recorded in the background.
   */
  accepted(sender: string): void;
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
/** First wait of a message that was put back, doubled each time. It ends early when the sender works again. */
const putBackSeconds = 30;
const longestPutBackSeconds = 600;
const cleanUpMs = 3_600_000;

/** @param severalSenders others may take what one sender refuses, so a message that is put back need not wait. */
export function createEvidence(services: DispatcherServices, severalSenders: boolean): Evidence {
  const { pool, method } = services;
  const senders = new Map<string, SenderEvidence>();
  let cleaning: NodeJS.Timeout | undefined;

  function of(sender: string): SenderEvidence {
    const known = senders.get(sender) ?? createSenderEvidence(services, sender, severalSenders ? 1 : putBackSeconds);
    senders.set(sender, known);
    return known;
  }

  async function cleanUp(): Promise<void> {
    await attempt(services, undefined, () => pool.query('SELECT herald.delete_old_refusals($1)', [method]));
  }

  return {
    async start() {
      await cleanUp();
      cleaning = setInterval(() => void cleanUp(), cleanUpMs).unref();
      const known = await attempt(services, null, () =>
        pool.query<{ sender: string }>(
          `SELECT DISTINCT sender FROM herald.refusal WHERE method = $1 AND kind = 'refused'`,
          [method],
        ),
      );
      await Promise.all((known?.rows ?? []).map(({ sender }) => of(sender).resume()));
    },
    accepted: (sender) => of(sender).accepted(),
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

interface SenderEvidence {
  resume(): Promise<void>;
  accepted(): void;
  refused(refusal: ObservedRefusal, result: FailedDispatch): Promise<DispatchResult>;
  close(): Promise<void>;
}

/** How often an accepted message is recorded while nothing speaks against the sender. */
const recordAcceptedMs = 1000;
/** By then the results of the messages in flight are recorded, so that they can be put back as well. */
const lateMs = 3000;

function createSenderEvidence(services: DispatcherServices, sender: string, firstWait: number): SenderEvidence {
  const { method, logger } = services;
  const store = createRefusalStore(services, sender);
  const turns = createTurns();
  /** There may be refusals since the last accepted message. */
  let suspected = false;
  let acceptedAt: number | null = null;
  let recordedAt = Number.NEGATIVE_INFINITY;

  async function recordAccepted(): Promise<void> {
    if (acceptedAt === null) return;
    const secondsAgo = (performance.now() - acceptedAt) / 1000;
    acceptedAt = null;
    recordedAt = performance.now();
    suspected = false;
    await attempt(services, undefined, () => store.accepted(secondsAgo));
  }

  async function putBackLate(): Promise<void> {
    const messages = await attempt(services, 0, () => store.putBackLate(firstWait));
    if (messages > 0) logger.warn({ method, sender, messages }, 'messages put back: the sender was at fault');
  }

  async function judged(refusal: ObservedRefusal): Promise<Judged> {
    await recordAccepted();
    suspected = true;
    const { messageId, attempt: number, recipient, phase, beforeRecipient } = refusal;
    const { text: _, ...words } = refusal.reply;
    const reply = { ...words, phase };
    const recorded = await store.record({ messageId, attempt: number, recipient, reply });
    const decision = judge(recorded.history, { messageId, recipient: recorded.recipient, reply, beforeRecipient });
    if (decision.atFault === 'sender') {
      await store.putBack([messageId, ...decision.alike], firstWait);
      turns.later(lateMs, putBackLate);
    }
    return { decision, again: recorded.history.earlier !== 'none', putBacks: recorded.putBacks };
  }

  return {
    async resume() {
      suspected = true;
      await turns.take(putBackLate);
    },
    accepted() {
      const pending = acceptedAt !== null;
      acceptedAt = performance.now();
      if (suspected) void turns.take(recordAccepted);
      else if (!pending) turns.later(recordedAt + recordAcceptedMs - acceptedAt, recordAccepted);
    },
    async refused(refusal, result) {
      const found = await attempt(services, null, () => turns.take(() => judged(refusal)));
      if (found === null) return result;
      return found.decision.atFault === 'sender'
        ? faultOfSender(result, found, firstWait)
        : faultOfMessage(result, refusal, found);
    },
    close: () => turns.close(),
  };
}

interface Turns {
  /** Runs after everything that took its turn before. */
  take<T>(work: () => Promise<T>): Promise<T>;
  /** Takes a turn after this time, or when it closes. */
  later(ms: number, work: () => Promise<void>): void;
  close(): Promise<void>;
}

function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  const timers = new Map<NodeJS.Timeout, () => Promise<void>>();

  function take<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  }

  return {
    take,
    later(ms, work) {
      const timer = setTimeout(
        () => {
          timers.delete(timer);
          void take(work);
        },
        Math.max(0, ms),
      ).unref();
      timers.set(timer, work);
    },
    async close() {
      for (const [timer, work] of timers) {
        clearTimeout(timer);
        void take(work);
      }
      timers.clear();
      await last;
    },
  };
}

interface Judged {
  readonly decision: Decision;
  /** This message was refused before. */
  readonly again: boolean;
  readonly putBacks: number;
}

function faultOfSender(result: FailedDispatch, { decision, putBacks }: Judged, firstWait: number): FailedDispatch {
  const { addressFault: _, retryAfterSeconds = 0, ...rest } = result;
  const wait = Math.min(firstWait * 2 ** putBacks, longestPutBackSeconds);
  return {
    ...rest,
    outcome: 'retry',
    pauseMethod: true,
    reason: senderReason(result.reason),
    // A demand for a login or for TLS says whose fault it is.
    detail: result.pauseMethod ? result.detail : `${decision.evidence}, so the sender is at fault: ${result.detail}`,
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
