/** A megabyte of every kind that makes parsers slow, in a process of little memory: read, and counted as nothing. */
import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { main } from '../cli/support.ts';
import { dsn, key, recipientFields, returns } from '../reports/support.ts';
import { useDatabase } from '../support/use-database.ts';

const database = useDatabase();
const address = `bounces+${returns.tokenOf('01890a5d-ac96-774b-bcce-b302099a8057')}@acme.example`;
const sound = dsn({ to: address, recipients: [recipientFields()] });
const beginnings = [
  '',
  sound.slice(0, sound.indexOf('--B/mx.example')),
  sound.slice(0, sound.indexOf('Final-Recipient')),
  sound.slice(0, sound.indexOf('Diagnostic-Code')),
];

/** In 200 MB of heap: a parser that keeps much of what it reads ends the process. */
function accept(mail: Buffer): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--max-old-space-size=200', main, 'bounces', 'accept'], {
    env: { PATH: process.env.PATH, DATABASE_URL: database.url, HERALD_SECRET_KEY: key },
  });
  return new Promise((resolve) => {
    let [out, err] = ['', ''];
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (err += text));
    child.stdin.on('error', () => undefined);
    child.once('close', (code) => resolve({ code, out, err }));
    child.stdin.end(mail);
  });
}

test.each<[what: string, text: string, times: number]>([
  ['parts', '--B/mx.example\r\nContent-Type: message/delivery-status\r\n\r\nx: y\r\n\r\n', 20_000],
  ['multiparts in one another', 'Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n', 20_000],
  ['messages in one another', 'Content-Type: message/rfc822\r\n\r\n', 20_000],
  ['recipients', `${recipientFields()}\r\n\r\n`, 4000],
  ['continuation lines', 'Diagnostic-Code: smtp;\r\n    aaaaaaaaaaaaaaaa\r\n', 20_000],
  ['header lines', 'X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n', 20_000],
  ['header folds', 'Content-Type:\r\n multipart/report;\r\n', 20_000],
  ['commas in an address', `To: ${'a@b,'.repeat(100)}\r\n`, 2000],
  ['encoded words', '=?utf-8?q?=41?= ', 60_000],
  ['quotes', '"\\"', 200_000],
  ['parentheses', '((((((((', 100_000],
])(
  'a megabyte of %s is read in 200 MB of memory',
  async (_, text, times) => {
    for (const beginning of beginnings) {
      const result = await accept(Buffer.from(beginning + text.repeat(times)).subarray(0, 1_000_000));
      expect(result).toMatchObject({ code: 0, err: '' });
      expect(result.out).toMatch(/^0 reports recorded/);
    }
  },
  240_000,
);
