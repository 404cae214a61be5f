/** What an operator can do about a message: the action for its state and reason. Pure. */
import type { MessageDetails } from './messages.ts';
import { returnOf } from './returns.ts';
import { isAbandoned, isHeldForEndpoint, isHeldForGuard, mayHaveArrived } from './state-text.ts';
import { serviceOf } from './workers.ts';

/** How an operator does what a remedy names: with a command, or with a button. Each reads as part of a sentence. */
export interface OperatorActions {
  /** Delivers the message again. */
  readonly retry: (message: MessageDetails) => string;
  /** Sends a held message, or never sends it. */
  readonly releaseOrCancel: (message: MessageDetails) => string;
  /** Never sends a pending message. */
  readonly cancel: (message: MessageDetails) => string;
  /** Resumes a method; `*` if everything is paused. */
  readonly resume: (method: string) => string;
  /** Switches an endpoint on. */
  readonly enableEndpoint: (endpointId: string) => string;
  /** Turns the template on for the recipient and the method of the message. */
  readonly turnOnFor: (message: MessageDetails) => string;
  /** Uses a suppressed address again. */
  readonly unsuppress: (message: MessageDetails) => string;
  /** Enables a template. */
  readonly enableTemplate: (template: string) => string;
  /** Enables a method. */
  readonly enableMethod: (method: string) => string;
  /** Adds an endpoint that selects the message. */
  readonly addEndpoint: () => string;
}

/** The commands of `pg-herald`. */
export const commands: OperatorActions = {
  retry: ({ id }) => `pg-herald retry ${id}`,
  releaseOrCancel: ({ id }) => `pg-herald release ${id}, or pg-herald discard ${id}`,
  cancel: ({ id }) => `pg-herald cancel ${id}`,
  resume: (method) => `pg-herald resume${method === '*' ? '' : ` ${word(method)}`}`,
  enableEndpoint: (endpointId) => `pg-herald endpoints enable ${endpointId}`,
  turnOnFor: ({ recipientId, template, method }) =>
    `pg-herald preferences set ${word(recipientId)} --template ${word(template)} --method ${word(method)} --on`,
  unsuppress: ({ method, recipient }) =>
    `pg-herald suppressions remove ${word(method)} ${word(recipient.email ?? 'ADDRESS')}`,
  enableTemplate: (template) => `pg-herald templates set ${word(template)} --enable`,
  enableMethod: (method) => `pg-herald methods enable ${word(method)}`,
  addEndpoint: () => 'Add an endpoint that selects it ("pg-herald endpoints add")',
};

/** Returns null if nothing needs to be done, or nothing can be: for a message whose person was erased. */
export function remedyOf(message: MessageDetails, actions: OperatorActions = commands): string | null {
  if (message.recipientId === 'erased') return null;
  switch (message.status) {
    case 'pending':
    case 'sending':
      return waitingRemedy(message, actions);
    case 'held':
      return heldRemedy(message, actions);
    case 'failed':
      return failedRemedy(message, actions);
    case 'expired':
      return ifPossible(message, `If it still matters: ${actions.retry(message)}`);
    case 'inhibited':
      return inhibitedRemedy(message, actions);
    case 'sent':
      return returnedRemedy(message);
    default:
      return null;
  }
}

/** A word for a POSIX shell, quoted if it has to be. */
function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A message without its secret labels can only be enqueued anew. */
function ifPossible(message: MessageDetails, remedy: string): string {
  if (!message.secretsWiped) return mayHaveArrived(message) ? `${askFirst} ${remedy}` : remedy;
  return 'Enqueue it again: its secret labels were wiped when it was settled.';
}

const askFirst = 'Ask the recipient whether it arrived.';

function waitingRemedy(message: MessageDetails, actions: OperatorActions): string | null {
  const { status, paused, method, readOnly } = message;
  // A pause does not stop an attempt that has begun.
  if (status === 'pending' && paused !== null) return pauseRemedy(paused, actions);
  if (readOnly) return 'Connect to the primary, or turn off default_transaction_read_only.';
  switch (status === 'pending' || isAbandoned(message) ? serviceOf(method, message) : 'served') {
    case 'none':
      return 'Start a worker: "pg-herald worker", or createWorker in your application.';
    case 'silent':
      return 'Look at the log of the worker, or restart it: it cannot write to the database.';
    case 'unserved':
      return (
        `Start a worker with a dispatcher for ${method}` +
        (status === 'pending' ? `, or: ${actions.cancel(message)}` : '')
      );
    default:
      return null;
  }
}

function pauseRemedy({ kind, method, detail }: Pause, actions: OperatorActions): string {
  const resume = actions.resume(method);
  if (kind !== 'fault') return resume;
  return `${causeRemedy(detail ?? '')} pg-herald tries again and resumes automatically. To resume at once: ${resume}`;
}

type Pause = NonNullable<MessageDetails['paused']>;

/** A relay that names EHLO or HELO refuses what this host calls itself. */
function causeRemedy(detail: string): string {
  return /\b(?:ehlo|helo)\b/i.test(detail)
    ? 'Set HERALD_SMTP_EHLO_NAME to a host name with a dot that the relay accepts.'
    : 'Fix the cause of the pause.';
}

function heldRemedy(message: MessageDetails, actions: OperatorActions): string {
  const { endpointId } = message;
  const decide = actions.releaseOrCancel(message);
  if (isHeldForEndpoint(message) && endpointId !== null)
    return `When the receiver works again: ${actions.enableEndpoint(endpointId)}`;
  if (isHeldForGuard(message)) return `Repair the function that "pg-herald doctor" names, then: ${decide}`;
  if (!mayHaveArrived(message)) return `To send it, or never to send it: ${decide}`;
  return `${askFirst} If it did not, or if a second copy is harmless: ${decide}`;
}

function returnedRemedy({ reports }: MessageDetails): string | null {
  switch (returnOf(reports)?.effect) {
    case 'dead':
    case 'soft':
      return 'If the address is wrong, correct it in your application and enqueue again.';
    case 'ours':
      return 'Look at what the server says: it refuses the sender or the email, not the address.';
    default:
      return null;
  }
}

function failedRemedy(message: MessageDetails, { retry }: OperatorActions): string {
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

function inhibitedRemedy(message: MessageDetails, actions: OperatorActions): string {
  const { reason, template, method, secretsWiped } = message;
  const thenRetry = secretsWiped ? 'then enqueue it again (its secrets were wiped)' : `then ${actions.retry(message)}`;
  switch (reason) {
    case 'preference':
    case 'default_off':
      return `If the recipient asks for it: ${actions.turnOnFor(message)}, ${thenRetry}`;
    case 'suppressed':
      return `If the address works again: ${actions.unsuppress(message)}, ${thenRetry}`;
    case 'guard':
      return ifPossible(message, `If your application would let it go now: ${actions.retry(message)}`);
    case 'template_disabled':
      return `${actions.enableTemplate(template)}, ${thenRetry}`;
    case 'method_disabled':
      return `${actions.enableMethod(method)}, ${thenRetry}`;
    case 'no_address':
    case 'invalid_address':
      return `Give the recipient what ${method} needs and enqueue again: a message keeps its recipient.`;
    case 'not_subscribed':
      return `${actions.addEndpoint()} and enqueue again.`;
    default:
      return ifPossible(message, `When the cause is fixed: ${actions.retry(message)}`);
  }
}
