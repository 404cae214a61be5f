/** An email as it would be sent, for the console to show. */
import { parseAddress } from '../../email-address.ts';
import type { Delivery } from '../dispatcher.ts';
import { writeEmail } from './email-message.ts';
import { parseSmtpOptions } from './smtp-settings.ts';

/**
 * Header and body, as `smtp` would send them from this address; without a DKIM signature and without files. Null where
 * the recipient has no usable address.
 */
export async function rawMessage(delivery: Delivery, from: string): Promise<string | null> {
  const parsed = parseAddress(delivery.recipient.email ?? '');
  if ('problem' in parsed) return null;
  const settings = parseSmtpOptions({ host: 'localhost', tls: 'none', from: { address: from } });
  const idDomain = from.split('@').at(-1) ?? 'localhost';
  const mail = await writeEmail({ delivery, to: parsed.address, settings, idDomain }, undefined);
  return mail.toString('utf8').replaceAll('\r\n', '\n');
}
