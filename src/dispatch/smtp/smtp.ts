/** The `smtp` method: sends emails through one or several relays, over pooled connections. */
import { parseAddress } from '../../email-address.ts';
import type { Dispatcher, DispatcherServices } from '../dispatcher.ts';
import { type AdmissionServices, admit, needsAdmission } from './smtp-admission.ts';
import { type FailoverServices, sendWithFailover } from './failover.ts';
import { createConnectionLimits } from './connection-limits.ts';
import type { SmtpOptions } from './smtp-options.ts';
import { createRateLimits } from '../rate-limits.ts';
import { createRefusals } from './refusals.ts';
import { createSenderPauses } from './sender-pauses.ts';
import { createSender } from './sender.ts';
import { parseSenders, type SmtpSendersOptions } from './senders.ts';

export type { SmtpOptions } from './smtp-options.ts';
export type { SmtpSender, SmtpSendersOptions } from './senders.ts';

/** 30 s to 6 h, over three days. A greylist usually accepts the third attempt. */
const retryDelaysSeconds = [30, 120, 360, 900, 1800, 3600, 7200, 14_400, ...Array.from({ length: 10 }, () => 21_600)];

/**
 * Sends email through one relay, or through several senders: when one is at fault the next takes over. `sent` means that the relay
 * accepted the message.
 *
 * @throws {ConfigurationError} if an option is invalid; `start` throws it if a file cannot be read.
 */
export function smtp(options: SmtpOptions | SmtpSendersOptions): Dispatcher {
  const limits = createConnectionLimits();
  const senders = parseSenders(options).map(({ name, tenants, settings }) => {
    const sender = createSender(name, settings, (allowed) =>
      limits.remember(name, allowed < settings.maxConnections ? allowed : null),
    );
    return { ...sender, tenants };
  });
  const all = senders.map(({ settings }) => settings);
  // Twice the connections: the next message is rendered while the one before it is being sent.
  const concurrency = all.reduce((sum, { maxConnections }) => sum + maxConnections * 2, 0);
  let inFlight = 0;
  let services: (FailoverServices & AdmissionServices) | null = null;

  const servicesOf = (given: DispatcherServices): FailoverServices & AdmissionServices => ({
    ...given,
    senders,
    freeSlots: () => concurrency - inFlight,
    rateLimits: createRateLimits(given.pool, `${given.method}/`),
    senderPauses: createSenderPauses(given),
    refusals: createRefusals(
      given,
      senders.map(({ name }) => name),
    ),
  });

  return {
    concurrency,
    timeoutSeconds: Math.min(
      Math.max(...all.map(({ sendTimeoutSeconds, replyTimeoutSeconds }) => sendTimeoutSeconds + replyTimeoutSeconds)) +
        20,
      900,
    ),
    retryDelaysSeconds,
    takesAttachments: true,
    async start(given) {
      services = servicesOf(given);
      for (const sender of senders) sender.start();
      await Promise.all([services.refusals.start(), limits.start(given, senders)]);
    },
    ...(needsAdmission(senders) && {
      admit: async (messageIds: readonly string[]) => (services === null ? new Map() : admit(messageIds, services)),
    }),
    async dispatch(delivery, context) {
      if (services === null) throw new Error('the dispatcher was not started');
      const { email } = delivery.recipient;
      if (email === undefined)
        return { outcome: 'failed', reason: 'no_address', detail: 'the recipient has no email address' };
      const parsed = parseAddress(email);
      if ('problem' in parsed)
        return { outcome: 'failed', reason: 'invalid_address', detail: `the address ${parsed.problem}` };
      inFlight += 1;
      try {
        return await sendWithFailover(delivery, parsed.address, context, services);
      } finally {
        inFlight -= 1;
      }
    },
    async close() {
      for (const sender of senders) sender.close();
      await Promise.all([services?.refusals.close(), limits.close()]);
    },
  };
}
