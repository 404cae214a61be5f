/** What an operator can do about a message: the command for its state and reason. Pure. */
import type { MessageDetails } from './messages.ts';
import { isAbandoned, isHeldForEndpoint, mayHaveArrived } from './state-text.ts';
import { serviceOf } from './workers.ts';

/** Returns null if nothing needs to be done, or nothing can be: for a message whose person was erased. */
export function remedyOf(message: MessageDetails): string | null {
  if (message.recipientId === 'erased') return null;
  switch (message.status) {
    case 'pending':
    case 'sending':
      return waitingRemedy(message);
    case 'held':
      return heldRemedy(message);
    case 'failed':
      return failedRemedy(message);
    case 'expired':
      return ifPossible(message, `If it still matters: ${retry(message)}`);
    case 'inhibited':
      return inhibitedRemedy(message);
    default:
      return null;
  }
}

/** A word for a POSIX shell, quoted if it has to be. */
function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const retry = ({ id }: MessageDetails) => `pg-herald retry ${id}`;

/** A message without its secret labels can only be enqueued anew. */
function ifPossible(message: MessageDetails, remedy: string): string {
  if (!message.secretsWiped) return mayHaveArrived(message) ? `${askFirst} ${remedy}` : remedy;
  return 'Enqueue it again: its secret labels were wiped when it was settled.';
}

const askFirst = 'Ask the recipient whether it arrived.';

function waitingRemedy(message: MessageDetails): string | null {
  const { id, status, paused, method, readOnly } = message;
  // A pause does not stop an attempt that has begun.
  if (status === 'pending' && paused !== null) return pauseRemedy(paused);
  if (readOnly) return 'Connect to the primary, or turn off default_transaction_read_only.';
  switch (status === 'pending' || isAbandoned(message) ? serviceOf(method, message) : 'served') {
    case 'none':
      return 'Start a worker: "pg-herald worker", or createWorker in your application.';
    case 'silent':
      return 'Look at the log of the worker, or restart it: it cannot write to the database.';
    case 'unserved':
      return (
        `Start a worker with a dispatcher for ${method}` + (status === 'pending' ? `, or: pg-herald cancel ${id}` : '')
      );
    default:
      return null;
  }
}

function pauseRemedy({ kind, method }: NonNullable<MessageDetails['paused']>): string {
  const resume = `pg-herald resume${method === '*' ? '' : ` ${word(method)}`}`;
  if (kind !== 'fault') return resume;
  return `Fix the cause of the pause. pg-herald probes it and resumes automatically; "${resume}" resumes at once.`;
}

function heldRemedy(message: MessageDetails): string {
  const { id, endpointId } = message;
  const decide = `pg-herald release ${id}, or pg-herald discard ${id}`;
  if (isHeldForEndpoint(message) && endpointId !== null)
    return `When the receiver works again: pg-herald endpoints enable ${endpointId}`;
  if (!mayHaveArrived(message)) return `To send it, or never to send it: ${decide}`;
  return `${askFirst} If it did not, or if a second copy is harmless: ${decide}`;
}

function failedRemedy(message: MessageDetails): string {
  switch (message.reason) {
    case 'render_failed':
      return 'Fix the template and enqueue again: a message keeps the version it was enqueued with.';
    case 'no_such_recipient':
    case 'invalid_address':
      return ifPossible(
        message,
        `When the cause is fixed: ${retry(message)}, or, if the address is wrong, correct it in your application ` +
          'and enqueue again: a message keeps its recipient.',
      );
    case 'too_large':
      return 'Make it smaller, for example by sending links instead of files, and enqueue again.';
    default:
      return ifPossible(message, `When the cause is fixed: ${retry(message)}`);
  }
}

function inhibitedRemedy(message: MessageDetails): string {
  const { reason, recipientId, recipient, template, method } = message;
  const thenRetry = message.secretsWiped ? 'then enqueue it again (its secrets were wiped)' : `then ${retry(message)}`;
  switch (reason) {
    case 'preference':
    case 'default_off':
      return (
        'If the recipient asks for it: ' +
        `pg-herald preferences set ${word(recipientId)} --template ${word(template)} --method ${word(method)} --on, ` +
        thenRetry
      );
    case 'suppressed':
      return (
        'If the address works again: ' +
        `pg-herald suppressions remove ${word(method)} ${word(recipient.email ?? 'ADDRESS')}, ${thenRetry}`
      );
    case 'template_disabled':
      return `pg-herald templates set ${word(template)} --enable, ${thenRetry}`;
    case 'method_disabled':
      return `pg-herald methods enable ${word(method)}, ${thenRetry}`;
    case 'no_address':
    case 'invalid_address':
      return `Give the recipient what ${method} needs and enqueue again: a message keeps its recipient.`;
    case 'not_subscribed':
      return 'Add an endpoint that selects it ("pg-herald endpoints add") and enqueue again.';
    default:
      return ifPossible(message, `When the cause is fixed: ${retry(message)}`);
  }
}
