/** The state of a message and its reason, in one or two sentences. Pure. */
import { itemText } from './item-state.ts';
import type { MessageDetails } from './messages.ts';
import type { QuietWait } from './quiet-hours.ts';
import { conditionText, meaningOf } from './reason-text.ts';
import { reportText, returnOf } from './returns.ts';
import { serviceOf } from './workers.ts';

/** Says what state a message is in. `now` decides what is overdue. */
export function summaryOf(message: MessageDetails, now: Date): string {
  return stateOf(message, now) + uncertainty(message);
}

function stateOf(message: MessageDetails, now: Date): string {
  switch (message.status) {
    case 'sent':
      if (message.method === 'inbox') return itemText(message.item);
      return `Sent: the receiving side accepted it${atAttempt(message)}. ${afterwards(message)}`;
    case 'failed':
      return `Failed ${afterAttempts(message)}${because(message)}.`;
    case 'inhibited':
      return inhibitedText(message);
    case 'cancelled': {
      const when = message.attempts === 0 ? 'before it was sent' : afterAttempts(message);
      const why = message.reason === null || message.reason === 'cancelled' ? '' : `: ${meaningOf(message.reason)}`;
      return `Cancelled${message.detail ? ` ${message.detail}` : ''} ${when}${why}.`;
    }
    case 'expired':
      return `Expired ${afterAttempts(message)}: it was not to be sent after ${timeText(message.expiresAt)}.`;
    case 'held':
      return heldText(message);
    case 'sending':
      return sendingText(message);
    case 'pending':
      return pendingText(message, now);
    default:
      return message.status satisfies never;
  }
}

function afterwards({ reports, settledAt }: MessageDetails): string {
  const returned = returnOf(reports);
  if (returned === null) return 'It is not known whether anyone read it.';
  return `It was ${reportText(returned, settledAt)}.`;
}

function inhibitedText(message: MessageDetails): string {
  const what = message.attempts === 0 ? 'Nothing was sent' : `Inhibited ${afterAttempts(message)}`;
  return `${what}${because(message)}.`;
}

/** A time of the database may be infinite, which is not a Date. */
function timeText(time: Date | null): string {
  return time instanceof Date && !Number.isNaN(time.getTime()) ? time.toISOString() : 'an unknown time';
}

/** The reason in words, with its detail, after a colon. */
function because({ reason, detail }: MessageDetails): string {
  const words = [reason === null ? null : meaningOf(reason), detail && reason !== null ? `(${detail})` : detail];
  const text = words.filter(Boolean).join(' ');
  return text === '' ? '' : `: ${text}`;
}

function afterAttempts({ attempts }: MessageDetails): string {
  if (attempts === 0) return 'before it was tried';
  return `after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
}

/** The attempt that was accepted is not always the last one: a success may be recorded late. */
function atAttempt({ attempts, attemptRecords }: MessageDetails): string {
  const accepted = attemptRecords.findLast(({ outcome }) => outcome === 'sent');
  return attempts > 1 && accepted !== undefined ? ` at attempt ${accepted.number}` : '';
}

/** Whether an attempt that was not recorded as accepted may have been. */
export function mayHaveArrived({ status, reason, attemptRecords }: MessageDetails): boolean {
  return (
    attemptRecords.some(({ outcome }) => outcome === 'unknown') ||
    (status === 'held' && reason !== null && !isHeldUnsent({ status, reason }))
  );
}

function uncertainty(message: MessageDetails): string {
  if (message.status === 'held' && message.reason !== null && !isHeldUnsent(message)) return '';
  if (!mayHaveArrived(message)) return '';
  return message.status === 'sent'
    ? ' Another attempt may have been accepted as well: then there are two copies.'
    : ' An earlier attempt may have been accepted.';
}

/** Whether a message is held because its endpoint is disabled, so that nothing about it is uncertain. */
export function isHeldForEndpoint({ status, reason }: Pick<MessageDetails, 'status' | 'reason'>): boolean {
  return status === 'held' && (reason === 'endpoint_disabled' || reason === 'gone');
}

/** Whether a message is held because its template's guard gave no answer. */
export function isHeldForGuard({ status, reason }: Pick<MessageDetails, 'status' | 'reason'>): boolean {
  return status === 'held' && reason === 'guard_failed';
}

/** Whether the attempt because of which it is held was surely not sent. */
function isHeldUnsent(message: Pick<MessageDetails, 'status' | 'reason'>): boolean {
  return isHeldForEndpoint(message) || isHeldForGuard(message);
}

function heldText(message: MessageDetails): string {
  const { reason, detail } = message;
  if (isHeldForEndpoint(message)) return 'Held: its endpoint is disabled.';
  if (isHeldForGuard(message)) return `Held${because(message)}. It is asked again when an operator releases it.`;
  if (reason === null) return `Held ${detail ?? 'by an operator'}. It waits until an operator releases it.`;
  return `Held: it is unknown whether it was accepted${because(message)}.`;
}

/** Whether the worker that sends it is gone. Workers register themselves, so without any row nothing is known. */
export function isAbandoned({ status, leasedBy, registeredWorkers: workers }: MessageDetails): boolean {
  return status === 'sending' && workers.length > 0 && !workers.some(({ name, alive }) => alive && name === leasedBy);
}

function sendingText(message: MessageDetails): string {
  const { leasedBy, attempts, attemptStartedAt } = message;
  const begun = `attempt ${attempts} began at ${timeText(attemptStartedAt)}`;
  const by = leasedBy === null ? '' : ` by worker ${leasedBy}`;
  if (!isAbandoned(message)) return `Being sent${by}: ${begun}.`;
  const next = {
    served: 'another one takes over when its lease ends',
    unserved: `no connected worker delivers ${message.method}, so none can take over`,
    silent: 'no other worker reports either',
    none: 'no worker is connected that could take over',
  }[serviceOf(message.method, message)];
  return `Being sent${by}: ${begun}. That worker no longer reports; ${next}.`;
}

function pendingText(message: MessageDetails, now: Date): string {
  const { nextAttemptAt, attempts, reason, quietHours } = message;
  if (quietHours !== null) return quietText(message, quietHours);
  const asked = reason === 'guard_failed' && attempts === 0;
  const meaning = (attempts > 0 || asked) && reason !== null ? ` (${meaningOf(reason)})` : '';
  const tried = attempts === 0 ? 'Not tried yet' : `Waiting ${afterAttempts(message)}${meaning}`;
  const isLater = nextAttemptAt !== null && nextAttemptAt > now;
  const condition = isLater && message.unless !== null ? `, unless ${conditionText(message.unless)}` : '';
  const due = `due ${isLater ? 'at' : 'since'} ${timeText(nextAttemptAt)}${condition}`;
  return `${tried}: ${due}${obstacle(message) ?? prospect(message, now)}.`;
}

const quietOwners = {
  recipient: "the recipient's quiet hours",
  tenant: "the tenant's quiet hours",
  all: 'the quiet hours for all recipients',
} as const satisfies Record<QuietWait['scope'], string>;

/** The database says what the recipient's clock shows: it decides by the same time zones. */
function quietText(message: MessageDetails, { until, opensAt, localTime, zone, scope }: QuietWait): string {
  const tried = message.attempts === 0 ? 'Not tried yet' : `Waiting ${afterAttempts(message)}`;
  const end = `${localTime} ${zone}`;
  const waits =
    until < opensAt
      ? `it waits for ${quietOwners[scope]} to end at ${end}, and expires before that at ${timeText(until)}`
      : `it waits until ${end} (${timeText(until)}), when ${quietOwners[scope]} end`;
  return `${tried}: ${waits}${obstacle(message) ?? ''}.`;
}

/** What keeps every worker from sending it; null: nothing does. */
function obstacle(message: MessageDetails): string | null {
  const { paused, method, readOnly, workers } = message;
  if (paused !== null) {
    const what = paused.method === '*' ? 'everything' : `the method ${method}`;
    const by = paused.kind === 'fault' ? 'after a fault' : 'by an operator';
    const cause = [by, paused.reason, paused.detail].filter(Boolean).join(', ');
    return `, but ${what} is paused since ${timeText(paused.since)} (${cause})`;
  }
  if (readOnly) return ', but the database is read-only: nothing is delivered until it accepts writes';
  switch (serviceOf(method, message)) {
    case 'none':
      return ', but no worker is connected to this database';
    case 'silent':
      return `, but the connected ${workers === 1 ? 'worker has' : 'workers have'} not reported for a minute`;
    case 'unserved':
      return `, but no connected worker delivers ${method}`;
    default:
      return null;
  }
}

/** The clocks of two machines are never quite the same. */
const clockToleranceMs = 5000;

/** What happens next to a message that workers can send. */
function prospect(message: MessageDetails, now: Date): string {
  const { nextAttemptAt, expiresAt, job, createdAt } = message;
  if (createdAt.getTime() > now.getTime() + clockToleranceMs)
    return ", but it was enqueued later than now: the database's clock went back, or this machine's is slow";
  if (nextAttemptAt !== null && nextAttemptAt > now) return waitText(message);
  if (expiresAt !== null && expiresAt <= now) return ', but it is too late: a worker records that it expired';
  if (job === null) return '. It has no job; a worker creates a new one within minutes';
  return '. A worker takes it as soon as one is free';
}

/** Why it is not due yet. The detail of the last attempt is told with the attempt. */
function waitText({ detail, attemptRecords }: MessageDetails): string {
  return detail === null || detail === attemptRecords.at(-1)?.detail ? '' : ` (${detail})`;
}
