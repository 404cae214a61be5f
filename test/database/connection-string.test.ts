/** Connection strings have the meaning of libpq, or one line that names the part and the remedy, never the password. */
import { describe, expect, test } from 'vitest';
import { checkedConnectionString } from '../../src/database/connection-string.ts';

const checked = (text: string) => checkedConnectionString(text, 'DATABASE_URL');

describe('a connection string', () => {
  test.each([
    'postgres://app:secret@db.example:5432/app',
    'postgresql://db.example',
    'postgres:///app?host=/var/run/postgresql&user=app',
    'postgres://app:secret@/app?host=/cloudsql/acme:europe-west1:main',
    'postgres://app:pa%23ss%2Fw%3Fr%40d%25@db.example/app',
    'postgres://app:secret@[::1]:5432/app?application_name=x',
    'postgres://db.example/app?sslmode=require&uselibpqcompat=true',
    'postgres://db.example/app?sslmode=verify-full',
  ])('%s is passed on as it is', (text) => {
    expect(checked(text)).toBe(text);
  });

  test.each([
    ['sslmode=verify-full&sslrootcert=system', 'sslmode=verify-full'],
    ['sslmode=require', 'sslmode=verify-full'],
    ['sslmode=prefer&application_name=x', 'sslmode=verify-full&application_name=x'],
    ['sslmode=allow', 'sslmode=disable'],
  ])('with ?%s means ?%s to the driver', (given, passed) => {
    expect(checked(`postgres://u:p@db.example/app?${given}`)).toBe(`postgres://u:p@db.example/app?${passed}`);
  });

  test('without other parameters loses the question mark, too', () => {
    expect(checked('postgres://db.example/app?sslrootcert=system')).toBe('postgres://db.example/app');
  });

  test.each([
    ['mysql://u:hunter2@h/x', /is not a PostgreSQL URL: expected postgres:/],
    ['postgres://u:hunter2#x@h/db', /reserved character: percent-encode it: # is %23/],
    ['postgres://u:hunter2/x@h/db', /reserved character/],
    ['postgres://u:hunter2?x@h/db', /reserved character/],
    ['postgres://u:hunter2@x@h/db', /more than one @/],
    ['postgres://u:hunter2%de@h/db%zz', /a % that encodes nothing: percent-encode it/],
    ['postgres://u:hunter2@a:5432,b:5432/app?target_session_attrs=read-write', /several hosts, and only one/],
    ['postgres://u:hunter2@h:99999/db', /invalid port/],
    ['postgres://u:hunter2@h/a%23b', /names a database with #/],
    ['postgres://u:hunter2@h/db?sslmode=bogus', /unknown sslmode "bogus": expected one of disable/],
    ['postgres://u:hunter2@h/db?sslrootcert=/nope.pem', /sslrootcert: cannot read \/nope\.pem/],
  ])('%s is refused in one line without the password', (text, message) => {
    let error = '';
    try {
      checked(text);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : '';
    }
    expect(error).toMatch(message);
    expect(error).toMatch(/^DATABASE_URL: [^\n]+$/);
    expect(error).not.toContain('hunter2');
  });
});
