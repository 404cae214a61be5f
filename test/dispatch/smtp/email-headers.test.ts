/** Headers show what people typed, and stay valid whatever that is. */
import { isUtf8 } from 'node:buffer';
import { hostname } from 'node:os';
import { simpleParser } from 'mailparser';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Delivery } from '../../../src/dispatch/dispatcher.ts';
import { writeEmail } from '../../../src/dispatch/smtp/email-message.ts';
import { ehloNameOf, parseSmtpOptions } from '../../../src/dispatch/smtp/smtp-settings.ts';
import { smtp } from '../../../src/dispatch/smtp/smtp.ts';
import { createHerald } from '../../../src/enqueue/enqueue.ts';
import { greeting, greetingFile, testWorker } from '../../support/application.ts';
import { startSmtpServer } from '../../support/smtp-server.ts';
import { useDatabase } from '../../support/use-database.ts';
import { until } from '../../support/wait.ts';
import { delivery } from '../support.ts';

const settings = parseSmtpOptions({ host: 'localhost', tls: 'none', from: { address: 'noreply@acme.example' } });
const to = { local: 'ada', domain: 'example.com', internationalised: false };

async function written(changes: Partial<Delivery>) {
  const bytes = await writeEmail({ delivery: delivery(changes), to, settings, idDomain: 'acme.example' }, undefined);
  return { raw: String(bytes), mail: await simpleParser(bytes) };
}

const titled = (title: string) => ({ content: { ...delivery().content, title } });

describe('text that looks like an encoded word', () => {
  test.each([
    'Workspace =?utf-8?B?WW91ciBhY2NvdW50IGlzIGxvY2tlZA==?= was deleted',
    '=?utf-8?q?a=0D=0ABcc:_evil@x.example?=',
    '=?utf-8?Q?A=E2=80=AEB?=',
    'Grüße =?utf-8?B?WW91?= ünd mehr',
    `=?x?= ${'ü😀 '.repeat(60)}!`,
    '=?',
  ])('is shown as it is in the subject: %s', async (title) => {
    const { raw, mail } = await written(titled(title));
    expect(mail.subject).toBe(title);
    expect(mail.bcc).toBeUndefined();
    for (const line of raw.split('\r\n\r\n')[0]?.split('\r\n') ?? []) expect(line.length).toBeLessThanOrEqual(78);
  });

  test('is shown as it is in the name of the recipient', async () => {
    const name = '=?utf-8?Q?Acme_Support?=';
    const { mail } = await written({ recipient: { id: 'r', email: 'ada@example.com', name } });
    expect(mail.to).toMatchObject({ value: [{ name, address: 'ada@example.com' }] });
  });

  test('is broken in the name of a file', async () => {
    const file = {
      name: '=?utf-8?Q?invoice=2Eexe?=.pdf',
      contentType: 'application/pdf',
      content: new Uint8Array([1]),
    };
    const { mail } = await written({ attachments: [file] });
    expect(mail.attachments[0]?.filename).toBe('=_utf-8?Q?invoice=2Eexe?=.pdf');
  });
});

describe('characters that reorder text', () => {
  test('are removed from names of recipients and of files', async () => {
    const { mail } = await written({
      recipient: { id: 'r', email: 'ada@example.com', name: 'a\u202egpj.exe' },
      attachments: [{ name: 'a\u202egpj.exe', contentType: 'image/jpeg', content: new Uint8Array([1]) }],
    });
    expect(mail.to).toMatchObject({ value: [{ name: 'agpj.exe' }] });
    expect(mail.attachments[0]?.filename).toBe('agpj.exe');
  });
});

describe('List-Unsubscribe', () => {
  test.each([
    ['https://acme.test/u?é=ü', '<https://acme.test/u?%C3%A9=%C3%BC>'],
    ['https://büro.example/u/José?x=1', '<https://xn--bro-hoa.example/u/Jos%C3%A9?x=1>'],
    [`https://acme.test/u?t=${'a'.repeat(870)}`, `<https://acme.test/u?t=${'a'.repeat(870)}>`],
  ])('is a URL in ASCII on one line: %s', async (unsubscribeUrl, expected) => {
    const { raw } = await written({ unsubscribeUrl });
    const line = raw.split('\r\n').find((each) => each.startsWith('List-Unsubscribe: '));
    expect(line).toBe(`List-Unsubscribe: ${expected}`);
    expect(raw).toContain('List-Unsubscribe-Post: List-Unsubscribe=One-Click');
  });

  test('is left out where it would not fit on a line', async () => {
    const { raw } = await written({ unsubscribeUrl: `https://acme.test/u?t=${'a'.repeat(1500)}` });
    const head = raw.slice(0, raw.indexOf('\r\n\r\n'));
    expect(head).not.toContain('List-Unsubscribe');
    expect(Math.max(...raw.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
  });
});

test.each(['message/rfc822', 'multipart/mixed', 'Message/External-Body'])(
  'a file of type %s travels as a file, in lines of 7-bit text',
  async (contentType) => {
    const content = Buffer.from(`Subject: ÄÖÜ\r\n\r\n${'x'.repeat(2500)}ÄÖÜ`);
    const { raw, mail } = await written({ attachments: [{ name: 'm.eml', contentType, content }] });
    expect(raw).toMatch(/^[\0-\x7f]*$/);
    expect(Math.max(...raw.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
    expect(raw).toMatch(/^Content-Type: application\/octet-stream; name=m\.eml$/m);
    expect(mail.attachments).toMatchObject([{ filename: 'm.eml', content }]);
  },
);

test.each([
  ['an empty file', { name: 'empty.txt', contentType: 'text/plain', content: new Uint8Array() }, 'text/plain'],
  [
    'a type with parameters',
    { name: 'a.csv', contentType: 'text/csv; charset=utf-8; header=present', content: Buffer.from('ä;ö\r\n') },
    'text/csv; charset=utf-8; header=present',
  ],
])('%s arrives as it is', async (_, file, type) => {
  const { raw, mail } = await written({ attachments: [file] });
  expect(mail.attachments).toMatchObject([{ filename: file.name, content: Buffer.from(file.content) }]);
  expect(raw.replace(/\r\n[ \t]+/g, ' ')).toContain(`Content-Type: ${type}; name=${file.name}`);
});

test('kinds of space and isolates of a value stay as they are in the subject', async () => {
  const title = 'Zimmer\u00a012 東京\u3000都 \u2068שלום\u2069 ready';
  expect((await written(titled(title))).mail.subject).toBe(title);
});

test('Exchange is asked for no automatic replies, and still reports failed delivery', async () => {
  const { raw } = await written({});
  expect(raw).toContain('X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply');
});

test('a mandatory template has no List-Id', async () => {
  const template = { name: 'reset', version: 1, group: 'Security' };
  expect((await written({ template: { ...template, mandatory: true } })).raw).not.toContain('List-I');
  expect((await written({ template })).raw).toMatch(/^List-ID: <security\.acme\.example>$/im);
});

describe('the name for EHLO', () => {
  test.each([
    ['mail.acme.example', 'other.example', 'mail.acme.example'],
    ['3f2a9c1b77de', 'acme.example', 'acme.example'],
    ['under_score.acme.example', 'acme.example', 'acme.example'],
    ['10.0.0.7', 'acme.example', 'acme.example'],
    ['vm', 'localhost', '[127.0.0.1]'],
    ['vm', 'acme.example.123', '[127.0.0.1]'],
  ])('of the host %j and the sender at %j is %j', (host, fromDomain, expected) => {
    expect(ehloNameOf(host, fromDomain)).toBe(expected);
  });

  test('is that of this host and of From unless it is set', () => {
    const options = { host: 'localhost', tls: 'none', from: { address: 'noreply@acme.example' } } as const;
    expect(parseSmtpOptions(options).ehloName).toBe(ehloNameOf(hostname(), 'acme.example'));
    expect(parseSmtpOptions({ ...options, ehloName: 'vm' }).ehloName).toBe('vm');
  });
});

describe('a subject of emoji', () => {
  const family = '👨\u200d👩\u200d👧\u200d👦';
  test.each([0, 1, 2, 3].flatMap((shift) => ['😀', family, '🇩🇪', '👍🏽'].map((emoji) => [shift, emoji] as const)))(
    'is cut into encoded words between characters: shifted by %i, %s',
    async (shift, emoji) => {
      const title = `${'x'.repeat(shift)}${emoji.repeat(30)}`;
      const { raw, mail } = await written(titled(title));
      expect(mail.subject).toBe(title);
      const header = /^Subject: (.*(?:\r\n .*)*)/m.exec(raw)?.[1] ?? '';
      const words = [...header.matchAll(/=\?utf-8\?([bq])\?(.*?)\?=/gi)];
      expect(words.length).toBeGreaterThan(1);
      for (const [, encoding, word] of words) expect(isUtf8(decodeWord(encoding ?? '', word ?? ''))).toBe(true);
    },
  );
});

function decodeWord(encoding: string, word: string): Buffer {
  if (encoding.toUpperCase() === 'B') return Buffer.from(word, 'base64');
  const text = word
    .replaceAll('_', ' ')
    .replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(Number(`0x${hex}`)));
  return Buffer.from(text, 'latin1');
}

describe('the Date', () => {
  const database = useDatabase({ templates: { greeting: greetingFile } });

  async function dateOf(sendAt: Date | undefined): Promise<number> {
    const relay = await startSmtpServer();
    onTestFinished(() => relay.close());
    const from = { address: 'noreply@acme.example' };
    const dispatcher = smtp({ host: '127.0.0.1', port: relay.port, tls: 'none', from });
    const worker = testWorker(database.url, { dispatchers: { smtp: dispatcher } });
    await worker.start();
    onTestFinished(() => worker.stop());
    await createHerald().enqueue(database.pool, greeting, {
      autocommit: true,
      to: { id: 'u', email: 'u@example.com' },
      labels: { who: 'x' },
      ...(sendAt && { sendAt }),
    });
    const mail = await until(() => relay.received()[0]);
    return Date.parse(/^Date: (.*)\r$/m.exec(String(mail.raw))?.[1] ?? '');
  }

  // Headers have whole seconds.
  test('of a scheduled email is the time it was scheduled for', async () => {
    const sendAt = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000);
    expect(await dateOf(sendAt)).toBe(sendAt.getTime());
  });

  test('of an email that was scheduled for the past is the time of enqueue', async () => {
    const enqueuedAt = Math.floor(Date.now() / 1000) * 1000;
    expect(await dateOf(new Date(enqueuedAt - 60_000))).toBeGreaterThanOrEqual(enqueuedAt);
  });
});
