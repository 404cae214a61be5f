import { describe, expect, test } from 'vitest';
import { fit, oneLine, plain, safeUrl, utf8Length } from '../../../src/dispatch/webhook/formats/text.ts';

describe('text', () => {
  test('is cut between code points and never inside an escape', () => {
    const escape = (text: string) => (text === '&' ? '&amp;' : text);
    expect(fit('a&b', { max: 7, escape })).toBe('a&amp;b');
    expect(fit('a&bc', { max: 7, escape })).toBe('a&amp;…');
    expect(fit('a&bc', { max: 6, escape })).toBe('a…');
    expect(fit('👩👩👩', { max: 5 })).toBe('👩👩…');
    expect(fit('👩👩👩', { max: 9, measure: utf8Length })).toBe('👩…');
    expect(fit('abcdef', { max: 4, ending: '[more]' })).toBe('');
    expect(fit('\ud800x', { max: 5 })).toBe('\ufffdx');
  });

  test('loses what would reorder or hide it', () => {
    expect(plain('a\u202eb\u2066c\u0000d\te\nf\r')).toBe('abcd\te\nf');
    expect(oneLine(' a\r\n b\u2028c ')).toBe('a b c');
  });

  test('a link cannot be ended early', () => {
    expect(safeUrl('https://a/?b=(c)|d>e[f]"g\'h`i\\j k')).toBe(
      'https://a/?b=%28c%29%7Cd%3Ee%5Bf%5D%22g%27h%60i%5Cj%20k',
    );
  });
});
