/** The bytes of an email, judged by a parser that knows nothing of how they were written, and by nodemailer's own writer. */
import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import MailComposer from 'nodemailer/lib/mail-composer';
import { describe, expect, test } from 'vitest';
import { serializeMime } from '../../../src/dispatch/smtp/serialize-mime.ts';
import { nasty } from './nasty.ts';

const tree = (text: string, html: string) =>
  new MailComposer({
    from: 'noreply@acme.example',
    to: 'ada@example.com',
    subject: 'Grüße',
    date: new Date(0),
    messageId: '<1@acme.example>',
    baseBoundary: 'b',
    newline: 'windows',
    text,
    html,
  }).compile();

const crlf = (text: string) => text.replace(/\r\n|\r|\n/g, '\r\n');
/** NUL cannot be in an email's text, and halves of pairs are not text. */
const texts = nasty.map((text) => `.${text.replaceAll('\u0000', '').toWellFormed()}.`);
const long = fc.tuple(texts, fc.integer({ min: 1, max: 200 })).map(([text, times]) => text.repeat(times));

describe('an email of serializeMime', () => {
  test('says what went in, in lines that every server takes, whatever it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(texts, long), fc.oneof(texts, long), async (text, html) => {
        const mail = serializeMime(tree(text, html));
        const raw = mail.toString('latin1');
        expect(raw.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
        for (const line of raw.split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
        const [ours, theirs] = await Promise.all([
          simpleParser(mail),
          simpleParser(await tree(crlf(text), crlf(html)).build()),
        ]);
        expect([ours.text, ours.html]).toEqual([theirs.text, theirs.html]);
        expect(String(ours.text).trimEnd()).toBe(crlf(text).replaceAll('\r\n', '\n').trimEnd());
        expect([...ours.headers]).toEqual([...theirs.headers]);
      }),
      { numRuns: 200 },
    );
  });

  test('is byte for byte what nodemailer writes', async () => {
    for (const [text, html] of [
      ['Hello.\r\n\r\n.dot\r\n', `<p>${'long '.repeat(100)}</p>\r\n`],
      [`${'Grüße aus München, '.repeat(20)}Ada`, '<p>こんにちは世界</p>'],
      ['trailing \r\nspace\t\r\n', '<p>=3D</p>'],
    ] as const)
      expect(serializeMime(tree(text, html)).toString()).toBe((await tree(text, html).build()).toString());
  });
});
