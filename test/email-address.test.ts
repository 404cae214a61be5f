/** One rule for addresses, in TypeScript and in SQL. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAddress } from '../src/email-address.ts';
import { useDatabase } from './support/use-database.ts';

const database = useDatabase();

const accepts = (address: string) => 'address' in parseAddress(address);
const sqlAccepts = async (addresses: readonly string[]) => {
  const { rows } = await database.pool.query<{ accepted: boolean }>(
    'SELECT herald.is_address(a) AS accepted FROM unnest($1::text[]) WITH ORDINALITY AS t (a, n) ORDER BY n',
    [addresses],
  );
  return rows.map((row) => row.accepted);
};

describe('an address', () => {
  test.each([
    'ada@example.com',
    'ada+tag@sub.example.co.uk',
    'jörg@example.com',
    'ada@bücher.example',
    '用户@例子.example',
    `${'a'.repeat(64)}@example.com`,
    `a@${'x'.repeat(63)}.com`,
    'a@localhost',
  ])('is accepted by both: %s', async (address) => {
    expect([accepts(address), ...(await sqlAccepts([address]))]).toEqual([true, true]);
  });

  test.each([
    'bob@example.123',
    'bob@example.0x1f',
    `${'用'.repeat(22)}@example.com`,
    `a@${'x'.repeat(64)}.com`,
    'user@☃.net',
    'user@ａｂｃ.com',
    'ops@i❤.ws',
    'ops@𠮷野家.example',
    'victim@evil.example#.acme.example',
    'victim@evil.example/acme.example',
    'victim@evil.example?acme.example',
    'victim@evil.example\\acme.example',
    'victim@%41.example',
    'a@b@c.example',
    'a..b@example.com',
    'a@-b.example',
    '"a b"@example.com',
    'a\u00ad@example.com',
    'a\u1680b@example.com',
    '',
    '@',
  ])('is refused by both: %s', async (address) => {
    expect([accepts(address), ...(await sqlAccepts([address]))]).toEqual([false, false]);
  });

  test('is never judged differently by TypeScript and by SQL', async () => {
    const character = fc.constantFrom(...'abzAZ09.-_+@#%/?\\:;,<>()[]"\' \u00ad\u200b\u202e\u3000é用ü'.split(''));
    const part = fc.oneof(
      fc.string({ unit: character, maxLength: 20 }),
      fc.constantFrom('example', 'com', '123', '0x1', 'x'.repeat(63), 'x'.repeat(64), '-a', 'a-', 'a--b'),
    );
    const address = fc
      .tuple(part, fc.array(part, { minLength: 1, maxLength: 4 }))
      .map(([local, labels]) => `${local}@${labels.join('.')}`);
    await fc.assert(
      fc.asyncProperty(fc.array(address, { minLength: 50, maxLength: 100 }), async (addresses) => {
        const bySql = await sqlAccepts(addresses);
        const differ = addresses.filter((each, i) => accepts(each) !== bySql[i]);
        expect(differ).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
