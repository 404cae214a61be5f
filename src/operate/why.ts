/** What happened to a message, as a list of events in words, and what to do about it. Pure. */
import type { AuditRecord } from './audit.ts';
import type { AttemptRecord, MessageDetails } from './messages.ts';
import { meaningOf } from './reason-text.ts';
import { remedyOf } from './remedy.ts';
import { isUnserved } from './workers.ts';

/** One thing that happened to a message. */
export interface TimelineEvent {
  /** When it happened. */
  readonly at: Date;
  /** What happened, in a few words. */
  readonly what: string;
}

/** What `pg-herald why` shows. */
export interface Explanation {
  /** The state of the message and its reason, in one or two sentences. */
  readonly summary: string;
  /** What an operator can do; null if nothing needs to be done. */
  readonly remedy: string | null;
  /** Oldest first. */
  readonly timeline: readonly TimelineEvent[];
}

/** Explains a message. `now` decides what is overdue. */
export function explain(message: MessageDetails, now: Date): Explanation {
  return { summary: summaryOf(message, now), remedy: remedyOf(message), timeline: timelineOf(message, now) };
}

function summaryOf(message: MessageDetails, now: Date): string {
  const { status, reason, attempts } = message;
  switch (status) {
    case 'sent':
      return (
        `Sent: the receiving side accepted it${attempts > 1 ? ` at attempt ${attempts}` : ''}. ` +
        'It is not known whether anyone read it.'
      );
    case 'failed':
      return `Failed after ${attemptCount(attempts)}${because(message)}.`;
    case 'inhibited':
      return `Nothing was sent${because(message)}.`;
    case 'cancelled':
      return cancelledSummary(message);
    case 'expired': {
      const limit = message.expiresAt?.toISOString() ?? 'its expiry';
      return `Expired: it was not to be sent after ${limit}${reason === 'expired' ? '' : because(message)}.`;
    }
    case 'held':
      return heldSummary(message);
    case 'sending':
      return sendingSummary(message);
    case 'pending':
      return pendingSummary(message, now);
    default:
      return status satisfies never;
  }
}

/** The reason in words, with its detail, after a colon. */
function because({ reason, detail }: MessageDetails): string {
  return reason === null ? '' : `: ${meaningOf(reason)}${detail ? ` (${detail})` : ''}`;
}

function attemptCount(attempts: number): string {
  return `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
}

/** The operator's last action of a kind on this message alone. */
function lastAction({ operatorActions }: MessageDetails, ...names: readonly string[]): AuditRecord | undefined {
  return operatorActions.findLast(({ action }) => names.includes(action));
}

function byWhom({ actor, why }: AuditRecord): string {
  return `by ${actor}${why ? ` (${why})` : ''}`;
}

function cancelledSummary(message: MessageDetails): string {
  const action = lastAction(message, 'cancel', 'discard');
  const who = action === undefined ? (message.detail ?? '') : byWhom(action);
  return `Cancelled${who === '' ? '' : ` ${who}`} before it was sent.`;
}

function heldSummary(message: MessageDetails): string {
  const { reason, detail } = message;
  const action = lastAction(message, 'hold');
  if (reason === 'endpoint_disabled') return 'Held: its endpoint is disabled.';
  if (reason !== null) return `Held: it is unknown whether it was accepted${because(message)}.`;
  if (action !== undefined) return `Held ${byWhom(action)}. It waits until an operator releases it.`;
  return `Held ${detail ?? 'by an operator'}. It waits until an operator releases it.`;
}

function sendingSummary({ leasedBy, attempts, attemptStartedAt, registeredWorkers }: MessageDetails): string {
  const worker = leasedBy ?? '?';
  const gone = registeredWorkers.length > 0 && !registeredWorkers.some(({ name, alive }) => alive && name === worker);
  return (
    `Being sent: worker ${worker} started attempt ${attempts} at ${attemptStartedAt?.toISOString() ?? '?'}.` +
    (gone ? ' That worker no longer reports; another one takes over when its lease ends.' : '')
  );
}

function pendingSummary(message: MessageDetails, now: Date): string {
  const { paused, nextAttemptAt, attempts, reason, method, registeredWorkers } = message;
  const tried =
    attempts === 0
      ? 'Not tried yet'
      : `Waiting after ${attemptCount(attempts)}${reason ? ` (${meaningOf(reason)})` : ''}`;
  if (paused !== null) {
    const what = paused.method === '*' ? 'everything' : `the method ${method}`;
    const by = paused.kind === 'fault' ? 'after a fault' : 'by an operator';
    const cause = [by, paused.reason, paused.detail].filter(Boolean).join(', ');
    return `${tried}: ${what} is paused since ${paused.since.toISOString()} (${cause}).`;
  }
  const due = nextAttemptAt?.toISOString() ?? '?';
  const overdue = nextAttemptAt === null || nextAttemptAt <= now;
  const since = `${tried}: due ${overdue ? 'since' : 'at'} ${due}`;
  if (message.workers === 0) return `${since}, but no worker is connected to this database.`;
  if (isUnserved(method, registeredWorkers)) return `${since}, but no connected worker delivers ${method}.`;
  if (!overdue) return `${since}.`;
  return message.job === null
    ? `${since}. It has no job; a worker creates a new one within minutes.`
    : `${since}. A worker takes it as soon as one is free.`;
}

function timelineOf(message: MessageDetails, now: Date): TimelineEvent[] {
  const { createdAt, sendAt, settledAt, status, reason, attempts, leasedBy, attemptStartedAt, nextAttemptAt } = message;
  const { createdBy, recipientId, template, version, method } = message;
  const enqueued = `enqueued by ${createdBy} for ${recipientId}, template ${template} version ${version}, by ${method}`;
  const settledReason = reason !== null && reason !== status ? `: ${meaningOf(reason)}` : '';
  const events: TimelineEvent[] = [
    { at: createdAt, what: enqueued },
    // A message that was settled before that time was never allowed to be sent.
    ...(sendAt && sendAt <= (settledAt ?? now) ? [{ at: sendAt, what: 'may be sent from now on' }] : []),
    ...message.attemptRecords.map((attempt) => ({ at: attempt.startedAt, what: attemptText(attempt) })),
    ...message.operatorActions.map((action) => ({ at: action.at, what: `${action.action} ${byWhom(action)}` })),
    ...(status === 'sending' && attemptStartedAt
      ? [{ at: attemptStartedAt, what: `attempt ${attempts} by ${leasedBy ?? '?'}: in flight` }]
      : []),
    ...(settledAt ? [{ at: settledAt, what: `${status}${settledReason}` }] : []),
    ...(nextAttemptAt ? [{ at: nextAttemptAt, what: 'next attempt' }] : []),
  ];
  return events.sort((a, b) => a.at.getTime() - b.at.getTime());
}

function attemptText(attempt: AttemptRecord): string {
  const { number, worker, outcome, startedAt, finishedAt, reason, detail, receiverId, counted } = attempt;
  // The clock of the database can go back.
  const milliseconds = Math.max(finishedAt.getTime() - startedAt.getTime(), 0);
  const took = milliseconds < 10_000 ? `${milliseconds} ms` : `${Math.round(milliseconds / 1000)} s`;
  const reply = attempt.replyText ?? attempt.replyCode;
  return [
    `attempt ${number} by ${worker}: ${outcome} after ${took}`,
    ...(reason ? [meaningOf(reason)] : []),
    ...(reply ? [`reply "${reply}"`] : []),
    ...(detail && !reply?.includes(detail) ? [detail] : []),
    ...(receiverId ? [`receiver's id ${receiverId}`] : []),
    ...(counted ? [] : ['not counted']),
  ].join('; ');
}
