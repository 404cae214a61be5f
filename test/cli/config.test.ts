/** What the environment says about email becomes the options of `smtp`, and what is missing is named. */
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/cli/config.ts';

const base = {
  DATABASE_URL: 'postgres://x@localhost/x',
  HERALD_SMTP_HOST: 'smtp.acme.example',
  HERALD_SMTP_FROM: 'noreply@acme.example',
};
const mailOf = (more: Record<string, string>) => readConfig(undefined, { ...base, ...more }).smtp;

describe('email settings from the environment', () => {
  test('name files rather than hold what is in them', () => {
    expect(mailOf({ HERALD_SMTP_USER: 'acme', HERALD_SMTP_PASSWORD_FILE: '/run/p' })).toMatchObject({
      auth: { user: 'acme', passwordFile: '/run/p' },
    });
    expect(
      mailOf({
        HERALD_SMTP_USER: 'acme',
        HERALD_SMTP_OAUTH2_TOKEN_URL: 'https://login.example/token',
        HERALD_SMTP_OAUTH2_CLIENT_ID: 'herald',
        HERALD_SMTP_OAUTH2_CLIENT_SECRET_FILE: '/run/c',
        HERALD_SMTP_OAUTH2_REFRESH_TOKEN: 'fresh',
        HERALD_SMTP_OAUTH2_SCOPE: 'mail',
        HERALD_SMTP_TLS: 'implicit',
        HERALD_SMTP_MESSAGES_PER_SECOND: '0.5',
      }),
    ).toMatchObject({
      tls: 'implicit',
      messagesPerSecond: 0.5,
      auth: {
        user: 'acme',
        oauth2: {
          tokenUrl: 'https://login.example/token',
          clientId: 'herald',
          clientSecretFile: '/run/c',
          refreshToken: 'fresh',
          scope: 'mail',
        },
      },
    });
  });

  test.each([
    [{ HERALD_SMTP_USER: 'acme' }, /^HERALD_SMTP_PASSWORD: is not set/],
    [
      { HERALD_SMTP_USER: 'acme', HERALD_SMTP_OAUTH2_TOKEN_URL: 'https://login.example/token' },
      /^HERALD_SMTP_OAUTH2_CLIENT_ID: is not set/,
    ],
    [{ HERALD_SMTP_TLS: 'maybe' }, /^HERALD_SMTP_TLS: "maybe" is not one of starttls, implicit, opportunistic, none/],
    [{ HERALD_SMTP_MESSAGES_PER_SECOND: '0' }, /^HERALD_SMTP_MESSAGES_PER_SECOND: "0" is not a number from 0.001/],
    [{ HERALD_SMTP_SENDERS_FILE: '/run/senders.json' }, /^HERALD_SMTP_SENDERS_FILE: is set together with/],
    [
      { HERALD_SMTP_HOST: '', HERALD_SMTP_SENDERS_FILE: '/nowhere/senders.json' },
      /^HERALD_SMTP_SENDERS_FILE: \/nowhere\/senders\.json cannot be read/,
    ],
  ])('%o is refused', (more, message) => {
    expect(() => mailOf(more as Record<string, string>)).toThrow(message);
  });
});

describe('links to unsubscribe from the environment', () => {
  const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
  const linksOf = (more: Record<string, string>) => readConfig(undefined, { ...base, ...more }).links;
  const url = 'https://app.acme.example/mail';

  test('have one key, or several with the current one first; without a URL there are none', () => {
    expect(linksOf({ HERALD_LINKS_URL: url, HERALD_LINKS_KEY: key(1) })).toEqual({ url, keys: [key(1)] });
    expect(linksOf({ HERALD_LINKS_URL: url, HERALD_LINKS_KEY: `${key(2)},${key(1)}` })?.keys).toEqual([key(2), key(1)]);
    expect(linksOf({ HERALD_LINKS_KEY: key(1) })).toBeUndefined();
  });

  test.each([
    [{ HERALD_LINKS_URL: url }, /^HERALD_LINKS_KEY: is not set/],
    [{ HERALD_LINKS_URL: url, HERALD_LINKS_KEY: 'secret' }, /^HERALD_LINKS_KEY: must be base64 of 32 bytes/],
    [
      { HERALD_LINKS_URL: 'http://app.acme.example', HERALD_LINKS_KEY: key(1) },
      /^HERALD_LINKS_URL: "http:\/\/app\.acme\.example" must begin with https:\/\//,
    ],
    [{ HERALD_LINKS_URL: 'mail', HERALD_LINKS_KEY: key(1) }, /^HERALD_LINKS_URL: "mail" is not an absolute URL/],
  ])('%o is refused', (more, message) => {
    expect(() => linksOf(more as Record<string, string>)).toThrow(message);
    expect(() => linksOf(more as Record<string, string>)).not.toThrow(/secret/);
  });
});
