/** Emails that come to a return address, as claims. Nothing here has a database. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { claimsOfMail } from '../../src/reports/mail.ts';
import { arf, dsn, recipientFields, returns } from './support.ts';

const id = randomUUID();
const address = `bounces+${returns.tokenOf(id)}@acme.example`;
const claimsOf = (mail: string | Buffer, recipients: readonly string[] = []) =>
  claimsOfMail({ raw: Buffer.from(mail), recipients }, returns);
const only = async (mail: string | Buffer, recipients: readonly string[] = []) => (await claimsOf(mail, recipients))[0];
const nothing = { unmatched: 'no_return', messageId: null, kind: 'other' };

describe('a delivery status notification', () => {
  test('of Postfix says which message came back, from whom, and why', async () => {
    expect(await claimsOf(dsn({ to: address, recipients: [recipientFields()] }))).toEqual([
      {
        source: 'mail',
        sourceId: expect.stringMatching(/^[\w-]{43}:1$/),
        messageId: id,
        receiverId: null,
        addresses: expect.arrayContaining(['ada@example.com']),
        unmatched: null,
        kind: 'bounce',
        action: 'failed',
        enhanced: '5.1.1',
        said: '550 5.1.1 <ada@example.com>: Recipient address rejected: User unknown',
        reporter: 'mx.example.com',
      },
    ]);
  });

  test.each([
    ['delayed', '4.4.1', { kind: 'delay', unmatched: null, enhanced: '4.4.1' }],
    ['delivered', '2.0.0', { kind: 'other', unmatched: 'no_return' }],
    ['relayed', '2.0.0', { kind: 'other', unmatched: 'no_return' }],
    ['expanded', '2.0.0', { kind: 'other', unmatched: 'no_return' }],
    ['exploded', '5.1.1', { kind: 'other', unmatched: 'no_return' }],
    ['FAILED (bad mailbox)', '5.2.1 (disabled)', { kind: 'bounce', enhanced: '5.2.1' }],
  ])('with the action %s', async (action, status, expected) => {
    expect(await only(dsn({ to: address, recipients: [recipientFields({ action, status })] }))).toMatchObject(expected);
  });

  test('has a claim for each recipient', async () => {
    const recipients = [recipientFields(), recipientFields({ address: 'bob@example.net', status: '5.2.2' })];
    const claims = await claimsOf(dsn({ to: address, recipients }));
    expect(claims.map((claim) => [claim.enhanced, claim.addresses[0], claim.sourceId.slice(-2)])).toEqual([
      ['5.1.1', 'ada@example.com', ':1'],
      ['5.2.2', 'bob@example.net', ':2'],
    ]);
  });

  test('of a forwarded email names the address that we wrote to, and the one it was forwarded to', async () => {
    const fields = recipientFields({ address: 'private@isp.example', original: 'ada+2Bnews@example.com' });
    const claim = await only(dsn({ to: address, recipients: [fields] }));
    expect(claim?.addresses).toEqual(
      expect.arrayContaining(['ada+news@example.com', 'ada+2Bnews@example.com', 'private@isp.example']),
    );
  });

  test('of an internationalised address names it in Unicode and in ASCII', async () => {
    const fields = recipientFields().replace('rfc822; ada@example.com', 'utf-8; K\\x{E4}the@b\u00fccher.example');
    const statusType = 'message/global-delivery-status';
    const claim = await only(dsn({ to: address, recipients: [fields], statusType }));
    expect(claim?.addresses).toEqual(expect.arrayContaining(['Käthe@bücher.example', 'Käthe@xn--bcher-kva.example']));
  });

  test('that only says "failed" has the code that the other server gave', async () => {
    const fields = recipientFields({ status: '5.0.0', said: '550 5.1.1 no such user here, sorry about that, really' });
    expect(await only(dsn({ to: address, recipients: [fields] }))).toMatchObject({ enhanced: '5.1.1' });
    const words = recipientFields({
      status: '5.0.0',
      said: '550 user unknown 5.1.1, says the other server, not the code',
    });
    expect(await only(dsn({ to: address, recipients: [words] }))).toMatchObject({ enhanced: '5.0.0' });
  });

  test('names the message by what the mail server says, by its header, or by the returned header', async () => {
    const elsewhere = { to: 'postmaster@acme.example', recipients: [recipientFields()] };
    expect(await only(dsn(elsewhere), [`prvs=0=${address}`])).toMatchObject({ messageId: id });
    expect(await only(dsn({ ...elsewhere, returned: `Return-Path: <${address}>\r\n` }))).toMatchObject({
      messageId: id,
    });
    expect(await only(dsn(elsewhere))).toMatchObject({ messageId: null, unmatched: 'no_message' });
  });

  test('with a forged token names no message', async () => {
    const forged = `bounces+${returns.tokenOf(id).slice(0, 26)}aaaaaaaa@acme.example`;
    expect(await only(dsn({ to: forged, recipients: [recipientFields()] }))).toMatchObject({
      messageId: null,
      unmatched: 'no_message',
    });
  });

  test('is the same report when it comes again by another way', async () => {
    const mail = dsn({ to: address, recipients: [recipientFields()] });
    const again = await only(`Received: from elsewhere\r\n${mail}`);
    expect(again?.sourceId).toBe((await only(mail))?.sourceId);
  });
});

describe('what is no report', () => {
  test.each([
    [
      'a vacation reply',
      `From: ada@example.com\r\nTo: ${address}\r\nAuto-Submitted: auto-replied\r\nSubject: 550 5.1.1\r\n\r\nI am away. 550 5.1.1 user unknown`,
    ],
    ['a person who answers', `From: ada@example.com\r\nTo: ${address}\r\n\r\nPlease stop. 5.1.1`],
    ['an email that is empty', ''],
    ['bytes', '\u0000\u00ff\u0001'],
    ['a report without recipients', dsn({ to: address, recipients: ['X-Nothing: 1'] })],
    [
      'a forwarded report',
      dsn({ to: address, recipients: [recipientFields()], type: 'multipart/mixed; boundary="B/mx.example"' }),
    ],
    [
      'a report that is not in its part',
      dsn({ to: address, recipients: [recipientFields()], statusType: 'text/plain' }),
    ],
  ])('%s counts for nothing', async (_, mail) => {
    expect(await claimsOf(mail)).toMatchObject([nothing]);
  });
});

describe('a complaint', () => {
  const fields = ['Feedback-Type: abuse', `Original-Mail-From: <${address}>`, 'Original-Rcpt-To: <ada@example.com>'];

  test('names the message by its envelope address, and the recipient', async () => {
    expect(await claimsOf(arf({ fields }))).toMatchObject([
      { kind: 'complaint', messageId: id, addresses: expect.arrayContaining(['ada@example.com']), unmatched: null },
    ]);
  });

  test('may leave the recipient to the header of the message', async () => {
    const returned = `Return-Path: <${address}>\nTo: Ada <ada@example.com>\n`;
    expect(await claimsOf(arf({ fields: ['Feedback-Type: abuse'], returned }))).toMatchObject([
      { kind: 'complaint', messageId: id, addresses: expect.arrayContaining(['ada@example.com']) },
    ]);
  });

  test.each([
    ['not-spam', { kind: 'other', unmatched: 'no_return' }],
    ['auth-failure', { kind: 'other', unmatched: 'no_return' }],
    ['constructor', { kind: 'other', unmatched: 'no_return' }],
    ['opt-out', { kind: 'unsubscribe', unmatched: null }],
  ])('of the type %s', async (type, expected) => {
    expect(await only(arf({ fields: [`Feedback-Type: ${type}`, ...fields.slice(1)] }))).toMatchObject(expected);
  });
});

describe('any bytes', () => {
  const sound = dsn({ to: address, recipients: [recipientFields()] });

  test('are read without an error, and never name a message that the token does not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(sound.length), fc.nat(40), fc.string({ unit: 'binary', maxLength: 12 }))),
        async (edits) => {
          let mail = sound;
          for (const [from, length, text] of edits) mail = mail.slice(0, from) + text + mail.slice(from + length);
          for (const claim of await claimsOf(mail)) expect([null, id]).toContain(claim.messageId);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('behind the first megabyte are not read: the report comes before the returned message', async () => {
    const long = dsn({ to: address, recipients: [recipientFields()], returned: 'X: y\r\n'.repeat(200_000) });
    expect(await only(long)).toMatchObject({ messageId: id, enhanced: '5.1.1' });
  });
});
