/** One sender: a relay, the address and the credentials that we use it with, and its connections. */
import { type Address, formatAddress } from '../../email-address.ts';
import { ConfigurationError } from '../../errors.ts';
import {
  type Delivery,
  type DispatchContext,
  type DispatchResult,
  type FailedDispatch,
  requeueUncounted,
} from '../dispatcher.ts';
import { classifySmtpFailure, type SmtpRefusal } from './classify-failure.ts';
import { type Connections, createConnections } from './connection-slots.ts';
import { maximumEmailHtml, renderEmail } from '../../templates/email.ts';
import type { Logger } from '../../vocabulary.ts';
import { messageIdOf, writeEmail } from './email-message.ts';
import { knownTextsOf, secretsOf } from './known-texts.ts';
import { createTokenSource, type TokenSource } from './login.ts';
import { envelopeFromOf, type SmtpSettings } from './smtp-settings.ts';
import { type Transmission, type TransmitOptions, transmit } from './transmit.ts';
import { createRelay, failureOf, type Relay, type WrittenMail } from './transport.ts';

/** What came of a message, and what the relay said to it if it was refused. */
export interface SenderResult {
  readonly result: DispatchResult;
  readonly refusal: SmtpRefusal | null;
}

/** A sender that is ready to be used. */
export interface Sender {
  readonly name: string;
  readonly settings: SmtpSettings;
  readonly connections: Connections;
  /** @throws {ConfigurationError} if a file of the settings cannot be used. */
  start(): void;
  /** Never throws for an expected failure. */
  send(delivery: Delivery, to: Address, how: SendContext): Promise<SenderResult>;
  close(): void;
}

/** How one message is sent. */
export interface SendContext {
  readonly context: DispatchContext;
  /** The domain of the Message-ID, the same whichever sender takes the message. */
  readonly idDomain: string;
}

/** What the steps of a sender share. */
interface SenderParts {
  readonly settings: SmtpSettings;
  readonly relay: Relay;
  readonly connections: Connections;
  readonly tokens: TokenSource | null;
  readonly onConnections: (allowed: number) => void;
}

/** @param onConnections called with the new limit when the relay's replies, or their absence, change it. */
export function createSender(name: string, settings: SmtpSettings, onConnections: (allowed: number) => void): Sender {
  const tokens = settings.auth?.oauth2 === undefined ? null : createTokenSource(settings.auth.oauth2);
  const relay = createRelay(settings, tokens);
  const connections = createConnections(settings.maxConnections);
  const parts: SenderParts = { settings, relay, connections, tokens, onConnections };
  return {
    name,
    settings,
    connections,
    start: () => void relay.connect(),
    send: (delivery, to, how) => send(delivery, to, how, parts).catch(misconfigured),
    close: () => relay.close(),
  };
}

/** A file of the settings may have become unusable since the start. */
function misconfigured(error: unknown): SenderResult {
  if (!(error instanceof ConfigurationError)) throw error;
  const { message: detail } = error;
  return { result: { outcome: 'retry', reason: 'misconfigured', detail, pauseMethod: true }, refusal: null };
}

/** Once per message: a retry has the same bytes. */
function warnIfClipped(delivery: Delivery, logger: Logger): void {
  const { messageId, attempt, template, content } = delivery;
  // Styles and layout make a table some ten times as long. What is far below the limit is not written twice.
  if (attempt > 1 || content.html.length < maximumEmailHtml / 20) return;
  const bytes = Buffer.byteLength(renderEmail(delivery).html);
  if (bytes > maximumEmailHtml)
    logger.warn(
      { messageId, template: template.name, bytes },
      'Gmail clips this email: its HTML is larger than 102 KB',
    );
}

async function send(
  delivery: Delivery,
  to: Address,
  { context, idDomain }: SendContext,
  parts: SenderParts,
): Promise<SenderResult> {
  const { settings, relay, connections } = parts;
  const refused = to.internationalised ? await utf8Refusal(relay) : null;
  if (refused !== null) return { result: refused, refusal: null };
  const { files } = relay.connect();
  const bytes = await writeEmail({ delivery, to, settings, idDomain }, files.dkimKey);
  if (bytes.length > settings.maxMessageBytes)
    return {
      result: failed(
        'too_large',
        `message too large: ${bytes.length} > ${settings.maxMessageBytes} bytes (maxMessageBytes)`,
      ),
      refusal: null,
    };
  warnIfClipped(delivery, context.logger);
  const mail: WrittenMail = {
    from: envelopeFromOf(settings, delivery.messageId),
    to: formatAddress(to),
    messageId: messageIdOf(delivery, idDomain),
    bytes,
    size: bytes.length,
  };
  const stopped = await connections.enter(context.signal);
  if (stopped !== null) return { result: stopped, refusal: null };
  const leave = once(() => connections.leave());
  try {
    const known = knownTextsOf(delivery, to, secretsOf(settings, files));
    // A few hung conversations must not hold up everything else for minutes.
    return await transmitWithLogin(mail, parts, { settings, context, known, onSlow: leave });
  } finally {
    leave();
  }
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}

/** Once more if the login was rejected and the files with its credentials have changed since. */
async function transmitWithLogin(
  mail: WrittenMail,
  parts: SenderParts,
  options: TransmitOptions,
): Promise<SenderResult> {
  const first = await transmit(parts.relay, mail, options);
  const again = isLoginFault(first.result) && parts.relay.refresh();
  return conclude(again ? await transmit(parts.relay, mail, options) : first, parts, options.context);
}

function conclude(
  { result, refusal, stream, ehlo }: Transmission,
  parts: SenderParts,
  { faultIsOwn }: DispatchContext,
): SenderResult {
  const { relay, connections, tokens, onConnections } = parts;
  const now = performance.now();
  if (result.outcome === 'sent') {
    relay.remember(ehlo);
    if (connections.worked(now)) onConnections(connections.allowed);
    return { result, refusal };
  }
  const named = tokens?.fault && isLoginFault(result) ? { ...result, detail: `OAuth2 token: ${tokens.fault}` } : result;
  const crowded = isCrowded(named, refusal, stream);
  const ended = crowded ? withFewerConnections(named, parts, now) : named;
  // A refusal is weighed first. A fault of the message's own says nothing about those that wait.
  if (ended.outcome === 'retry' && ended.pauseMethod && refusal === null && !faultIsOwn) connections.stop(ended);
  return { result: ended, refusal: crowded ? null : refusal };
}

/** The relay refuses the connection. Where others of ours work, the method is not at fault either. */
function withFewerConnections(
  result: FailedDispatch,
  { connections, onConnections }: SenderParts,
  now: number,
): FailedDispatch {
  const others = connections.crowded(now);
  if (others) onConnections(connections.allowed);
  else if (result.pauseMethod) return result;
  return { ...requeueUncounted(result, others ? 2 : 30), outcome: 'retry', reason: 'throttled' };
}

/** RFC 6531: such an address must not be sent to a server that does not announce SMTPUTF8. */
async function utf8Refusal(relay: Relay): Promise<FailedDispatch | null> {
  try {
    const { extensions } = await relay.capabilities();
    if (extensions.includes('SMTPUTF8')) return null;
    return failed('invalid_address', 'the relay does not accept internationalised addresses (5.6.7)');
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    return classifySmtpFailure(failureOf(error, 'unopened', undefined));
  }
}

function failed(reason: FailedDispatch['reason'], detail: string): FailedDispatch {
  return { outcome: 'failed', reason, detail };
}

function isLoginFault(result: DispatchResult): boolean {
  return result.outcome === 'retry' && result.pauseMethod === true && result.reason === 'authentication';
}

const crowdWords = /too many|connection (?:count|limit)|concurrent connection|connections? (?:exceed|limit)/i;

/**
 * "Too many connections", said before RCPT: to the connection itself, or to MAIL. Later a reply may repeat what a
 * stranger wrote, and a limit may be that of a mailbox.
 */
function isCrowded({ reply }: FailedDispatch, refusal: SmtpRefusal | null, stream: Transmission['stream']): boolean {
  const beforeRecipient = refusal === null ? stream === 'unopened' : refusal.phase === 'mail';
  if (!beforeRecipient || !/^4(21|32|5[0-4])$/.test(reply?.code ?? '')) return false;
  if (reply?.code === '432') return true;
  return crowdWords.test(reply?.text ?? '') || (reply?.code === '421' && stream === 'unopened');
}
