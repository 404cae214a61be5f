/** The `smtp` method: sends emails through one or several relays, over pooled connections. */
import { type Address, parseAddress } from '../../email-address.ts';
import type { Delivery, Dispatcher, DispatcherServices, FailedDispatch } from '../dispatcher.ts';
import { createEvidence } from '../evidence/evidence.ts';
import { createRateLimits } from '../rate-limits.ts';
import { type ConnectionLimits, createConnectionLimits } from './connection-limits.ts';
import { type ConfiguredSender, type FailoverServices, sendWithFailover } from './failover.ts';
import { createKnocker } from './knocker.ts';
import { createSenderPauses } from './sender-pauses.ts';
import { parseSenders, type SenderSettings, type SmtpSendersOptions } from './senders.ts';
import { type AdmissionServices, admit, needsAdmission } from './smtp-admission.ts';
import type { SmtpOptions } from './smtp-options.ts';
import { requireSocks } from './socks.ts';
import { createUncertainDeliveries } from './uncertain-deliveries.ts';

export type { SmtpOptions } from './smtp-options.ts';
export type { SmtpSender, SmtpSendersOptions } from './senders.ts';

/** 30 s to 6 h, over three days. A greylist usually accepts the third attempt. */
const retryDelaysSeconds = [30, 120, 360, 900, 1800, 3600, 7200, 14_400, ...Array.from({ length: 10 }, () => 21_600)];

/**
 * Sends email through one relay, or through several senders: when one is at fault the next takes over. `sent` means
 * that the relay accepted the message.
 *
 * @throws {ConfigurationError} if an option is invalid; `start` throws it if a file cannot be read.
 */
export function smtp(options: SmtpOptions | SmtpSendersOptions): Dispatcher {
  const limits = createConnectionLimits();
  const configured = parseSenders(options);
  // Twice the connections: the next message is rendered while the one before it is being sent.
  const concurrency = configured.reduce((sum, { settings }) => sum + settings.maxConnections * 2, 0);
  let inFlight = 0;
  let services: SmtpServices | null = null;

  return {
    concurrency,
    timeoutSeconds: longestAttempt(configured),
    retryDelaysSeconds,
    takesAttachments: true,
    async start(given) {
      const senders = await createSenders(configured, limits);
      services = servicesOf(given, senders, () => concurrency - inFlight);
      for (const sender of senders) sender.start();
      await Promise.all([services.evidence.start(), limits.start(given, senders)]);
    },
    ...(needsAdmission(configured) && {
      admit: async (messageIds: readonly string[]) => (services === null ? new Map() : admit(messageIds, services)),
    }),
    async dispatch(delivery, context) {
      if (services === null) throw new Error('the dispatcher was not started');
      const to = recipientOf(delivery);
      if ('failure' in to) return to.failure;
      inFlight += 1;
      try {
        return await sendWithFailover(delivery, to.address, context, services);
      } finally {
        inFlight -= 1;
      }
    },
    async close() {
      for (const knocker of services?.knockers.values() ?? []) knocker.end();
      for (const sender of services?.senders ?? []) sender.close();
      await Promise.all([services?.evidence.close(), limits.close()]);
    },
  };
}

/** Only who sends emails loads nodemailer: it takes 30 MB and 0.1 s. */
async function createSenders(
  configured: readonly SenderSettings[],
  limits: ConnectionLimits,
): Promise<ConfiguredSender[]> {
  await Promise.all(configured.map(({ settings }) => requireSocks(settings)));
  const { createSender } = await import('./sender.ts');
  return configured.map(({ name, tenants, settings }) => {
    const onConnections = (allowed: number) =>
      limits.remember(name, allowed < settings.maxConnections ? allowed : null);
    return { ...createSender(name, settings, onConnections), tenants };
  });
}

type SmtpServices = FailoverServices & AdmissionServices;

function servicesOf(
  given: DispatcherServices,
  senders: readonly ConfiguredSender[],
  freeSlots: () => number,
): SmtpServices {
  const names = senders.map(({ name }) => name);
  const senderPauses = createSenderPauses(given);
  const knockerOf = ({ name, settings }: ConfiguredSender) =>
    createKnocker(settings, () => void senderPauses.probeSoon(name));
  return {
    ...given,
    senders,
    freeSlots,
    rateLimits: createRateLimits(given.pool, `${given.method}/`),
    senderPauses,
    knockers: new Map(senders.map((sender) => [sender.name, knockerOf(sender)])),
    // Where another sender may take over, a message that is put back need not wait.
    evidence: createEvidence(given, { accused: 'sender', putBackSeconds: senders.length > 1 ? 1 : 30 }),
    uncertainDeliveries: createUncertainDeliveries(given, names),
  };
}

/** In seconds, with time for an orderly end. */
function longestAttempt(senders: readonly SenderSettings[]): number {
  const times = senders.map(({ settings }) => settings.sendTimeoutSeconds + settings.replyTimeoutSeconds);
  return Math.min(Math.max(...times) + 20, 900);
}

function recipientOf({ recipient }: Delivery): { readonly address: Address } | { readonly failure: FailedDispatch } {
  if (recipient.email === undefined)
    return { failure: { outcome: 'failed', reason: 'no_address', detail: 'the recipient has no email address' } };
  const parsed = parseAddress(recipient.email);
  if ('address' in parsed) return parsed;
  return { failure: { outcome: 'failed', reason: 'invalid_address', detail: `the address ${parsed.problem}` } };
}
