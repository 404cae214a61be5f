/** What an operator can do about a message: the command for its state and reason. Pure. */
import type { MessageDetails } from './messages.ts';
import { isUnserved } from './workers.ts';

/** Returns null if nothing needs to be done. */
export function remedyOf(message: MessageDetails): string | null {
  switch (message.status) {
    case 'pending':
      return pendingRemedy(message);
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

/** A message without its secret labels, or without its recipient, can only be enqueued anew. */
function ifPossible({ secretsWiped, recipientId }: MessageDetails, remedy: string): string | null {
  if (recipientId === 'erased') return null;
  return secretsWiped ? 'Enqueue it again: its secret labels were wiped when it was settled.' : remedy;
}

function pendingRemedy({ paused, workers, method, registeredWorkers }: MessageDetails): string | null {
  if (paused?.kind === 'operator') return `pg-herald resume${paused.method === '*' ? '' : ` ${word(paused.method)}`}`;
  if (paused?.kind === 'fault')
    return (
      'Fix the cause of the pause. pg-herald probes it and resumes automatically; ' +
      `"pg-herald resume ${word(paused.method)}" resumes at once.`
    );
  if (workers === 0) return 'Start a worker: "pg-herald worker", or createWorker in your application.';
  return isUnserved(method, registeredWorkers)
    ? `Start a worker with a dispatcher for ${method}, or cancel the message.`
    : null;
}

function heldRemedy(message: MessageDetails): string {
  const { id, reason, endpointId } = message;
  const decide = `pg-herald release ${id}, or pg-herald discard ${id}`;
  if (reason === 'endpoint_disabled' && endpointId !== null)
    return `When the receiver works again: pg-herald endpoints enable ${endpointId}`;
  if (reason === null) return `To send it, or never to send it: ${decide}`;
  return `Ask the recipient whether it arrived. If it did not, or if a second copy is harmless: ${decide}`;
}

function failedRemedy(message: MessageDetails): string | null {
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

function inhibitedRemedy(message: MessageDetails): string | null {
  const { reason, recipientId, recipient, template, method } = message;
  if (recipientId === 'erased') return null;
  const thenRetry = message.secretsWiped ? 'then enqueue it again (its secrets were wiped)' : `then ${retry(message)}`;
  switch (reason) {
    case 'preference':
    case 'default_off':
      return `pg-herald preferences set ${word(recipientId)} --template ${word(template)} --on, ${thenRetry}`;
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
