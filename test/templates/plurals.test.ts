/** Plural forms by the rules of CLDR, in the languages that need most of them. */
import { describe, expect, it } from 'vitest';
import { neededPlurals, pluralProblem } from '../../src/templates/plurals.ts';
import { createRenderer } from '../../src/templates/render.ts';

const render = createRenderer();

function printed(language: string, body: string, n: unknown, locale?: string): string {
  const template = { name: 't', language, title: 't', body, actions: [] };
  const brand = { appName: 'A', baseUrl: 'https://a.example' };
  const recipient = { id: 'u', ...(locale !== undefined && { locale }) };
  const data = { n } as Record<string, string | number>;
  return render({ template, recipient, labels: {}, data, brand, createdAt: new Date(0) }).text;
}

describe('plural', () => {
  it.each([
    ['pl', 'one="plik" few="pliki" many="plików" other="pliku"', ['plik', 'pliki', 'plików', 'pliki']],
    ['ru', 'one="файл" few="файла" many="файлов" other="файла"', ['файл', 'файла', 'файлов', 'файла']],
    ['de', 'one="Datei" other="Dateien"', ['Datei', 'Dateien', 'Dateien', 'Dateien']],
    ['ja', 'other="件"', ['件', '件', '件', '件']],
  ])('chooses the form of %s for 1, 2, 5 and 22', (language, forms, expected) => {
    expect([1, 2, 5, 22].map((n) => printed(language, `{{plural data.n ${forms}}}`, n))).toEqual(expected);
  });

  it('has six forms in Arabic', () => {
    const forms = 'zero="ا" one="ب" two="ت" few="ث" many="ج" other="ح"';
    const found = [0, 1, 2, 3, 11, 100].map((n) => printed('ar', `{{plural data.n ${forms}}}`, n));
    expect(found.join(' ')).toBe('ا ب ت ث ج ح');
  });

  it('follows the language of the text, not of the reader, and takes digits as text', () => {
    const body = '{{plural data.n one="file" other="files"}}';
    expect(printed('en', body, 0, 'fr-FR')).toBe('files');
    expect(printed('fr', body, 0, 'en-US')).toBe('file');
    expect(printed('en', body, '1')).toBe('file');
    expect(printed('en', body, 1.5)).toBe('files');
  });

  it('uses "other" for a form that is missing, and takes two forms without names', () => {
    expect(printed('pl', '{{plural data.n one="plik" other="pliki"}}', 5)).toBe('pliki');
    expect([1, 2].map((n) => printed('en', '{{plural data.n "file" "files"}}', n))).toEqual(['file', 'files']);
  });

  it.each([
    [2, [], /two forms, or a name for each form/],
    [1, [], /needs the form "other"/],
    [1, ['one'], /needs the form "other"/],
    [3, ['other'], /not both/],
  ] as const)('refuses %d arguments with the forms %j', (args, options, problem) => {
    expect(pluralProblem(args, options)).toMatch(problem);
  });

  it('knows which forms a language needs for whole numbers', () => {
    const needed = (language: string) => [...neededPlurals(language).keys()].sort().join(' ');
    expect(['en', 'fr', 'es', 'ja', 'pl', 'ar', 'he', 'sl', 'ro'].map(needed)).toEqual([
      ...['one other', 'one other', 'one other', 'other', 'few many one', 'few many one other two zero'],
      ...['one other two', 'few one other two', 'few one other'],
    ]);
  });
});
