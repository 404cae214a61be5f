/** One sender: a relay, the address and the credentials that we use it with, and its connections. */
import { type Address, formatAddress } from '../../email-address.ts';
import { ConfigurationError } from '../../errors.ts';
import { type Delivery, type DispatchContext, type DispatchResult, requeueUncounted } from '../dispatcher.ts';
import { classifySmtpFailure } from './classify-reply.ts';
import { type Connections, createConnections, type Failure } from './connections.ts';
import { type Transmission, transmit } from './transmit.ts';
import { createTokenSource } from './login.ts';
import { messageIdOf, writeMail } from './email-message.ts';
import type { SmtpSettings } from './smtp-options.ts';
import { createRelay, failureOf, type Relay, type WrittenMail } from './transport.ts';

export interface Sender {
  readonly name: string;
  readonly settings: SmtpSettings;
  readonly connections: Connections;
  /** @throws {ConfigurationError} for files that cannot be used. */
  start(): void;
  /** Never throws for an expected failure. */
  send(delivery: Delivery, to: Address, how: SendContext): Promise<DispatchResult>;
  close(): void;
}

export interface SendContext {
  readonly context: DispatchContext;
  /** The domain of the Message-ID, the same whichever sender takes the message. */
  readonly idDomain: string;
}

/** @param onConnections told of the new number when the server's refusals, or their absence, change it. */
export function createSender(name: string, settings: SmtpSettings, onConnections: (allowed: number) => void): Sender {
  const tokens = settings.auth?.oauth2 === undefined ? null : createTokenSource(settings.auth.oauth2);
  const relay = createRelay(settings, tokens);
  const connections = createConnections(settings.maxConnections);

  async function send(delivery: Delivery, to: Address, { context, idDomain }: SendContext): Promise<DispatchResult> {
    const refusal = to.internationalised ? await refusalOf(relay) : null;
    if (refusal !== null) return refusal;
    const { dkimKey } = relay.connect().files;
    const mail: WrittenMail = {
      from: settings.envelopeFrom,
      to: formatAddress(to),
      messageId: messageIdOf(delivery, idDomain),
      bytes: await writeMail({ delivery, to, settings, idDomain }, dkimKey),
    };
    if (mail.bytes.length > settings.maxMessageBytes)
      return failed(
        'too_large',
        `message too large: ${mail.bytes.length} > ${settings.maxMessageBytes} bytes (maxMessageBytes)`,
      );
    const stopped = await connections.enter(context.signal);
    if (stopped !== null) return stopped;
    try {
      const ended = await transmit(relay.connect().transport, mail, { settings, context });
      const again = isLoginFault(ended.result) && relay.refresh();
      return conclude(again ? await transmit(relay.connect().transport, mail, { settings, context }) : ended);
    } finally {
      connections.leave();
    }
  }

  function conclude({ result, stream, ehlo }: Transmission): DispatchResult {
    const now = performance.now();
    if (result.outcome === 'sent') {
      relay.learn(ehlo);
      if (connections.worked(now)) onConnections(connections.allowed);
      return result;
    }
    const named =
      tokens?.fault && isLoginFault(result) ? { ...result, detail: `OAuth2 token: ${tokens.fault}` } : result;
    const ended = isCrowded(named, stream) ? fewer(named, now) : named;
    if (ended.pauseMethod) connections.stop(ended);
    return ended;
  }

  /** A refusal of the connection is no verdict on the message. Where others of ours work, it is no fault of the method either. */
  function fewer(result: Failure, now: number): Failure {
    const others = connections.crowded(now);
    if (others) onConnections(connections.allowed);
    else if (result.pauseMethod) return result;
    return { ...requeueUncounted(result, others ? 2 : 30), reason: 'throttled' };
  }

  return {
    name,
    settings,
    connections,
    start: () => void relay.connect(),
    async send(delivery, to, how) {
      try {
        return await send(delivery, to, how);
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        return { outcome: 'retry', reason: 'misconfigured', detail: error.message, pauseMethod: true };
      }
    },
    close: () => relay.close(),
  };
}

/** RFC 6531: such an address must not go to a server that does not say that it takes it. */
async function refusalOf(relay: Relay): Promise<Failure | null> {
  try {
    const { extensions } = await relay.look();
    if (extensions.includes('SMTPUTF8')) return null;
    return failed('invalid_address', 'the relay cannot take an internationalised address (5.6.7)');
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    return classifySmtpFailure(failureOf(error, 'unopened', undefined));
  }
}

function failed(reason: Failure['reason'], detail: string): Failure {
  return { outcome: 'failed', reason, detail };
}

function isLoginFault(result: DispatchResult): boolean {
  return result.outcome === 'retry' && result.pauseMethod === true && result.reason === 'authentication';
}

const crowdWords = /too many|connection (count|limit)|concurren|connections? (exceed|limit)/i;

/** "Too many connections", in a reply that is no verdict on a message: before the first command for it, or in so many words. */
function isCrowded({ reply }: Failure, stream: Transmission['stream']): boolean {
  if (!/^4(21|32|5[0-4])$/.test(reply?.code ?? '')) return false;
  if (reply?.code === '432') return true;
  return crowdWords.test(reply?.text ?? '') || (reply?.code === '421' && stream === 'unopened');
}
