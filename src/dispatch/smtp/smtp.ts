/** The `smtp` method: hands mails to a relay over pooled connections. */
import { parseAddress } from '../../address.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { domainOf, parseSmtpOptions, type SmtpOptions } from './options.ts';
import { createSender } from './sender.ts';

export type { SmtpOptions } from './options.ts';

/** 30 s to 6 h, for three days: a greylist lets the third try pass. */
const retryDelaysSeconds = [30, 120, 360, 900, 1800, 3600, 7200, 14_400, ...Array.from({ length: 10 }, () => 21_600)];

/**
 * Sends mail through one relay. Throws ConfigurationError for wrong options, at `start` for files that cannot be read.
 * `sent` means that the relay took the message over.
 */
export function smtp(options: SmtpOptions): Dispatcher {
  const settings = parseSmtpOptions(options);
  const sender = createSender('default', settings, () => undefined);
  return {
    // Twice the connections: the next message waits at the pool instead of in the database.
    concurrency: settings.maxConnections * 2,
    timeoutSeconds: Math.min(settings.sendTimeoutSeconds + settings.replyTimeoutSeconds + 20, 900),
    retryDelaysSeconds,
    takesAttachments: true,
    async start() {
      sender.start();
    },
    async dispatch(delivery, context) {
      const { email } = delivery.recipient;
      if (email === undefined)
        return { outcome: 'failed', reason: 'no_address', detail: 'the recipient has no e-mail address' };
      const parsed = parseAddress(email);
      if ('problem' in parsed)
        return { outcome: 'failed', reason: 'invalid_address', detail: `the address ${parsed.problem}` };
      return sender.send(delivery, parsed.address, { context, idDomain: domainOf(settings.from.address) });
    },
    async close() {
      sender.close();
    },
  };
}
