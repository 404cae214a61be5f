/** Which senders may take a message, and what senders may be. */
import { describe, expect, test } from 'vitest';
import { candidatesOf } from '../../../src/dispatch/smtp/senders.ts';
import { type SmtpSender, smtp } from '../../../src/dispatch/smtp/smtp.ts';

const sender = (name: string, port: number, more: Partial<SmtpSender> = {}): SmtpSender => ({
  name,
  host: '127.0.0.1',
  port,
  from: { address: 'noreply@acme.example' },
  ...more,
});

describe('candidates', () => {
  const all = [
    { name: 'a', tenants: null },
    { name: 'b', tenants: ['t1'] },
    { name: 'c', tenants: null },
    { name: 'd', tenants: ['t1', 't2'] },
  ];
  test.each([
    ['no sender and no tenant', { sender: null, tenant: null }, 'ac'],
    ['a tenant without its own', { sender: null, tenant: 't9' }, 'ac'],
    ['a tenant with its own', { sender: null, tenant: 't1' }, 'bd'],
    ['one by name, whatever the tenant', { sender: 'c', tenant: 't1' }, 'c'],
    ['one that is not there', { sender: 'x', tenant: null }, ''],
  ])('of %s', (_, wish, names) => {
    expect(
      candidatesOf(all, wish)
        .map(({ name }) => name)
        .join(''),
    ).toBe(names);
  });

  test.each<[string, unknown, RegExp]>([
    ['none', { senders: [] }, /^smtp\.senders: /],
    [
      'two of one name',
      { senders: [sender('a', 25), sender('a', 25)] },
      /^smtp\.senders\.1\.name: is also the name of an earlier/,
    ],
    ['a strange name', { senders: [sender('A b', 25)] }, /^smtp\.senders\.0\.name: must be a name of/],
    [
      'tenants only',
      { senders: [sender('a', 25, { tenants: ['t'] })] },
      /^smtp\.senders: needs a sender without tenants/,
    ],
    ['a wrong option', { senders: [sender('a', 0)] }, /^smtp\.senders\.0\.port: /],
  ])('are refused: %s', (_, options, message) => {
    expect(() => smtp(options as never)).toThrow(message);
  });
});
