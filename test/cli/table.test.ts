/** Tables give way to a narrow terminal, and to nothing else. */
import { describe, expect, test } from 'vitest';
import { shortened, type TableFit, tableText, wrapped } from '../../src/cli/table.ts';

const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const table = (width: number | undefined, more: TableFit = {}) =>
  tableText({
    headings: ['message', 'created', 'recipient', 'status', 'attempts'],
    rows: [
      [id, '2026-11-24 20:12:39', 'a-very-long-recipient-id-of-a-tenant', 'failed no_such_recipient', '1'],
      [id, '2026-11-24 20:12:39', '日本太郎', '\u001b[32msent\u001b[39m', '1'],
    ],
    width,
    styleHeading: (heading) => heading,
    neverCut: ['message', 'created'],
    dropFirst: ['attempts', 'created'],
    ...more,
  }).split('\n');

describe('a table', () => {
  test('is whole where there is no terminal', () => {
    expect(table(undefined)[1]).toContain('a-very-long-recipient-id-of-a-tenant  failed no_such_recipient  1');
  });

  test('cuts what may be cut, marks it, and never an id', () => {
    const [head, first, second] = table(110);
    expect(head).toMatch(/^message +created +recipient +status +attempts$/);
    expect(first).toMatch(new RegExp(`^${id}  2026-11-24 20:12:39  a-very-lon\\S*…  failed no_suc\\S*…  1$`));
    expect(second).toContain('日本太郎');
    expect(first?.length).toBeLessThanOrEqual(110);
  });

  test('leaves columns out in their order where cutting is not enough', () => {
    expect(table(94)[0]).toMatch(/created/);
    expect(table(94)[0]).not.toMatch(/attempts/);
    expect(table(80)[0]).not.toMatch(/created|attempts/);
    expect(Math.max(...table(80).map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(table(80)[1]).toContain(id);
  });

  test('cuts a protected column last, and leaves others out before it', () => {
    const cutLast = ['status'];
    expect(table(110, { cutLast })[1]).toMatch(/ {2}a-very-long-re… {2}failed no_such_recipient {2}1$/);
    expect(table(94, { cutLast })[0]).not.toMatch(/created|attempts/);
    expect(table(80, { cutLast })[1]).toMatch(/ {2}a-very-long-rec… {2}failed no_such_recipient$/);
    expect(table(70, { cutLast })[1]).toMatch(/ {2}a-very-long… {2}failed no_such_re…$/);
  });
});

test('a long line breaks between words and goes on indented', () => {
  expect(wrapped('  one two three four', { width: 11, indent: 4 })).toBe('  one two\n    three\n    four');
  expect(wrapped('one two three', { width: undefined, indent: 4 })).toBe('one two three');
  expect(wrapped(`x ${id}`, { width: 10, indent: 2 })).toBe(`x\n  ${id}`);
});

test('a line of the tail is exactly as wide as it may be', () => {
  expect(shortened('abc', 5)).toBe('abc  ');
  expect(shortened('abcdef', 5)).toBe('abcd…');
  expect(shortened('日本太郎', 5)).toBe('日本…');
});
