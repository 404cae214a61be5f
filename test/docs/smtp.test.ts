/** `smtp` accepts the list of senders in docs/smtp.md, and uses it as the table beneath it says. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfig } from '../../src/cli/config.ts';
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

test.each([...guide.matchAll(/```sh\n([^]*?)```/g)].map(([, text = '']) => text))(
  'these settings are read: %s',
  (text) => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-settings-'));
    const settings = Object.fromEntries(
      text
        .trim()
        .split(/\s+/)
        .map((word) => {
          const [, name = '', value = ''] = /^(HERALD_\w+)=(.+)$/.exec(word) ?? [];
          if (!value.startsWith('/run/secrets/')) return [name, value];
          const file = join(folder, 'secret');
          writeFileSync(file, 'sesame\n');
          return [name, file];
        }),
    );
    const from = { HERALD_SMTP_FROM: 'noreply@acme.example', DATABASE_URL: 'postgres://app@localhost/app' };
    const config = readConfig(undefined, { ...from, ...settings });
    rmSync(folder, { recursive: true });
    expect(Object.keys(settings)).not.toContain('');
    for (const value of Object.values(settings)) expect(JSON.stringify(config)).toContain(value);
  },
);
