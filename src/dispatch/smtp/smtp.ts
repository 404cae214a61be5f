/** The `smtp` method: hands mails to one or several relays over pooled connections. */
import { parseAddress } from '../../email-address.ts';
import type { Dispatcher, DispatcherServices } from '../dispatcher.ts';
import { type AdmissionServices, admit, needsAdmission } from './admission.ts';
import { type FailoverServices, sendBySome } from './failover.ts';
import { createLearned } from './connection-limits.ts';
import type { SmtpOptions } from './options.ts';
import { createRates } from './rates.ts';
import { createRefusals } from './refusals.ts';
import { createRests } from './sender-pauses.ts';
import { createSender } from './sender.ts';
import { parseSenders, type SmtpSendersOptions } from './senders.ts';

export type { SmtpOptions } from './options.ts';
export type { SmtpSender, SmtpSendersOptions } from './senders.ts';

/** 30 s to 6 h, for three days: a greylist lets the third try pass. */
const retryDelaysSeconds = [30, 120, 360, 900, 1800, 3600, 7200, 14_400, ...Array.from({ length: 10 }, () => 21_600)];

/**
 * Sends mail through one relay, or through several senders of which the next takes over when one is at fault. Throws
 * ConfigurationError for wrong options, at `start` for files that cannot be read. `sent` means that the relay took the message over.
 */
export function smtp(options: SmtpOptions | SmtpSendersOptions): Dispatcher {
  const learned = createLearned();
  const senders = parseSenders(options).map(({ name, tenants, settings }) => {
    const sender = createSender(name, settings, (allowed) =>
      learned.remember(name, allowed < settings.maxConnections ? allowed : null),
    );
    return { ...sender, tenants };
  });
  const all = senders.map(({ settings }) => settings);
  // Twice the connections: the next message waits here instead of in the database.
  const concurrency = all.reduce((sum, { maxConnections }) => sum + maxConnections * 2, 0);
  let inFlight = 0;
  let services: (FailoverServices & AdmissionServices) | null = null;

  const servicesOf = (given: DispatcherServices): FailoverServices & AdmissionServices => ({
    ...given,
    senders,
    room: () => concurrency - inFlight,
    rates: createRates(given.pool, `${given.method}/`),
    rests: createRests(given),
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
      await Promise.all([services.refusals.start(), learned.start(given, senders)]);
    },
    ...(needsAdmission(senders) && {
      admit: async (messageIds: readonly string[]) => (services === null ? new Map() : admit(messageIds, services)),
    }),
    async dispatch(delivery, context) {
      if (services === null) throw new Error('the dispatcher was not started');
      const { email } = delivery.recipient;
      if (email === undefined)
        return { outcome: 'failed', reason: 'no_address', detail: 'the recipient has no e-mail address' };
      const parsed = parseAddress(email);
      if ('problem' in parsed)
        return { outcome: 'failed', reason: 'invalid_address', detail: `the address ${parsed.problem}` };
      inFlight += 1;
      try {
        return await sendBySome(delivery, parsed.address, context, services);
      } finally {
        inFlight -= 1;
      }
    },
    async close() {
      for (const sender of senders) sender.close();
      await Promise.all([services?.refusals.close(), learned.close()]);
    },
  };
}
