/** The list of senders in docs/smtp.md is one that `smtp` takes, and means what the table beneath it says. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { candidatesOf, parseSenders, type SmtpSender } from '../../src/dispatch/smtp/senders.ts';

const guide = readFileSync(new URL('../../docs/smtp.md', import.meta.url), 'utf8');
const listed = JSON.parse(/```json\n([^]*?)```/.exec(guide)?.[1] ?? '') as SmtpSender[];

test.each([
  ['of tenant `globex`', { sender: null, tenant: 'globex' }, ['globex']],
  ['whose template says `sender: backup`', { sender: 'backup', tenant: null }, ['backup']],
  ['any other', { sender: null, tenant: 'initech' }, ['main', 'backup']],
])('a message %s', (words, wish, names) => {
  expect(guide).toContain(`| ${words} | `);
  expect(candidatesOf(parseSenders({ senders: listed }), wish).map(({ name }) => name)).toEqual(names);
});
