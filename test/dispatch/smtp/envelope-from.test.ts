/** Where an email returns to: one address for all, or one for each message. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { isAligned } from '../../../src/dispatch/smtp/check-sender.ts';
import { type SmtpOptions, smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { writeEmail } from '../../../src/dispatch/smtp/email-message.ts';
import { parseSmtpOptions } from '../../../src/dispatch/smtp/smtp-settings.ts';
import { createReturnAddresses } from '../../../src/return-address.ts';
import { startSmtpServer } from '../../support/smtp-server.ts';
import { useDatabase } from '../../support/use-database.ts';
import { context, delivery } from '../support.ts';

const database = useDatabase();
const closing: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const key = randomBytes(32).toString('base64');
const from = { name: 'Acme', address: 'noreply@acme.example' };
const envelopeFrom = 'bounces+{token}@bounces.acme.example';
const options: SmtpOptions = { host: '127.0.0.1', tls: 'none', from, envelopeFrom, envelopeKeys: [key] };

test('each message has an address of its own, the same on each attempt', async () => {
  const relay = await startSmtpServer();
  const dispatcher = smtp({ ...options, port: relay.port });
  closing.push(
    () => relay.close(),
    () => dispatcher.close?.(),
  );
  await dispatcher.start?.({ method: 'smtp', pool: database.pool, logger: context().logger });
  const ids = [randomUUID(), randomUUID()];
  for (const messageId of [...ids, ...ids])
    expect(await dispatcher.dispatch(delivery({ method: 'smtp', messageId }), context())).toMatchObject({
      outcome: 'sent',
    });
  const addresses = relay.received().map((mail) => mail.from);
  expect(addresses.slice(0, 2)).toEqual(addresses.slice(2));
  expect(addresses.slice(0, 2).map((address) => createReturnAddresses([key]).messageIn(address))).toEqual(ids);
  expect(addresses.every((address) => address.endsWith('@bounces.acme.example'))).toBe(true);
  expect(relay.received().every(({ raw }) => !raw.includes('bounces+'))).toBe(true);
});

describe('the settings', () => {
  test.each<[change: Partial<SmtpOptions>, says: RegExp]>([
    [{ envelopeKeys: [] }, /smtp\.envelopeKeys/],
    [{ envelopeKeys: ['short'] }, /smtp\.envelopeKeys.*base64 texts of 32 bytes/],
    [{ envelopeFrom: `${'b'.repeat(31)}{token}@acme.example` }, /smtp\.envelopeFrom.*more than 30 characters/],
    [{ envelopeFrom: 'bounces@{token}.example' }, /smtp\.envelopeFrom/],
  ])('refuse %j', (change, says) => {
    expect(() => parseSmtpOptions({ ...options, ...change })).toThrow(says);
  });

  test('need a key for the token, and none without one', () => {
    const { envelopeKeys: _, ...keyless } = options;
    expect(() => parseSmtpOptions(keyless)).toThrow(/smtp\.envelopeKeys.*is missing/);
    expect(parseSmtpOptions({ ...keyless, envelopeFrom: 'bounces@acme.example' }).returnAddresses).toBeNull();
    expect(parseSmtpOptions({ ...options, envelopeFrom: `${'b'.repeat(30)}{token}@acme.example` })).toBeDefined();
  });

  test('are aligned with the author by their domain', () => {
    expect(isAligned(options)).toBe(true);
    expect(isAligned({ ...options, envelopeFrom: 'bounces+{token}@relay.example' })).toBe(false);
  });
});

test.each([
  ['smtp.postmarkapp.com', true],
  ['smtp-broadcasts.postmarkapp.com', true],
  ['postmarkapp.com.evil.example', false],
  ['email-smtp.eu-west-1.amazonaws.com', false],
])('an email through %s says its id as metadata: %s', async (host, expected) => {
  const settings = parseSmtpOptions({ ...options, tls: 'starttls', host });
  const to = { local: 'ada', domain: 'example.com', internationalised: false };
  const mail = await writeEmail({ delivery: delivery(), to, settings, idDomain: 'acme.example' }, undefined);
  const header = new RegExp(`^X-PM-Metadata-herald-message: ${delivery().messageId}\r$`, 'im');
  expect(header.test(String(mail))).toBe(expected);
});
