/** How locales are read, and what follows from one: a text, a direction, the form of dates and numbers. */
import { describe, expect, it } from 'vitest';
import { chooseText } from '../../src/templates/choose-text.ts';
import {
  canonicalLocale,
  directionOf,
  formatLocale,
  isLocale,
  knownLanguage,
  languageName,
  lookUpLanguage,
} from '../../src/templates/locale.ts';

describe('a locale', () => {
  it.each([
    ['de-AT', 'de-AT'],
    ['de_AT', 'de-AT'],
    ['DE_at', 'de-AT'],
    ['de_AT.UTF-8', 'de-AT'],
    ['de_DE.ISO8859-15@euro', 'de-DE'],
    ['zh_CN.UTF-8', 'zh-CN'],
    ['zh_Hans_CN', 'zh-Hans-CN'],
    ['zh_CN_#Hans', 'zh-Hans-CN'],
    ['sr__#Latn', 'sr-Latn'],
    ['sr_RS@latin', 'sr-Latn-RS'],
    ['uz_UZ.UTF-8@cyrillic', 'uz-Cyrl-UZ'],
    ['iw_IL', 'he-IL'],
    ['in_ID', 'id-ID'],
    [' fr ', 'fr'],
    ['es-419', 'es-419'],
    ['ar-EG-u-nu-latn', 'ar-EG-u-nu-latn'],
    ['C', 'und'],
    ['C.UTF-8', 'und'],
    ['POSIX', 'und'],
  ])('%j is read as %s', (written, tag) => {
    expect(canonicalLocale(written)).toBe(tag);
    expect(isLocale(written)).toBe(true);
  });

  it.each(['', '!!', 'xx-YY-??', '*', 'd', 'de,en;q=0.8', 'x'.repeat(5000), '_', '@latin', '.UTF-8', 'de-'])(
    '%j is not one',
    (written) => {
      expect(canonicalLocale(written)).toBe(null);
      expect(lookUpLanguage(['de', 'en'], written)).toBe(null);
    },
  );

  it('names a language in the name of a file only if the language exists', () => {
    expect(['de', 'pt_BR', 'PT-br', 'zh-Hans', 'nb', 'sr-Latn'].map(knownLanguage)).toEqual([
      ...['de', 'pt-BR', 'pt-BR', 'zh-Hans', 'nb', 'sr-Latn'],
    ]);
    expect(['old', 'draft', 'v2', 'english', 'C', 'und', '', 'de-u-nu-arab'].map(knownLanguage)).toEqual(
      Array(8).fill(null),
    );
    expect(languageName('pt-BR')).toBe('Brazilian Portuguese');
  });
});

describe('the choice of a text', () => {
  it.each([
    [['pt', 'pt-BR'], 'pt-BR', 'pt-BR'],
    [['pt'], 'pt_BR', 'pt'],
    [['pt-BR'], 'pt-PT', null],
    [['pt', 'pt-BR'], 'pt-PT', 'pt'],
    [['de', 'de-CH'], 'de-CH-1996', 'de-CH'],
    [['zh-Hans', 'zh-Hant'], 'zh_CN.UTF-8', 'zh-Hans'],
    [['zh-Hans', 'zh-Hant'], 'zh-TW', 'zh-Hant'],
    [['zh-Hans', 'zh-Hant'], 'zh-HK', 'zh-Hant'],
    [['zh-Hans'], 'zh', 'zh-Hans'],
    [['zh-Hans'], 'zh-TW', null],
    [['zh-CN'], 'zh-Hans-CN', 'zh-CN'],
    [['zh-TW'], 'zh-Hant-TW', 'zh-TW'],
    [['sr-Latn', 'sr'], 'sr_RS@latin', 'sr-Latn'],
    [['sr-Latn', 'sr'], 'sr-RS', 'sr'],
    [['no'], 'nb-NO', 'no'],
    [['nb'], 'no', 'nb'],
    [['he'], 'iw_IL', 'he'],
    [['en-GB'], 'en-US', null],
    [['de'], 'C.UTF-8', null],
    [['ar'], 'ar-EG-u-nu-latn', 'ar'],
  ])('of %j for %s is %s', (languages, locale, chosen) => {
    expect(lookUpLanguage(languages, locale)).toBe(chosen);
  });

  it('is the default language for everybody else', () => {
    const text = (language: string) => ({ language, title: language, body: '', actions: [] });
    const template = { ...text('fr'), texts: [text('de'), text('pt-BR')] };
    const chosen = (locale?: string) => chooseText(template, locale).language;
    expect([chosen(), chosen('de-AT'), chosen('pt_BR'), chosen('ja'), chosen('fr-CA'), chosen('??')]).toEqual([
      ...['fr', 'de', 'pt-BR', 'fr', 'fr', 'fr'],
    ]);
  });
});

describe('what follows from a language', () => {
  it('is the direction of its script', () => {
    const rtl = ['ar', 'he', 'fa-IR', 'ur', 'yi', 'az-Arab', 'dv', 'ks', 'pa-PK'];
    expect(rtl.map(directionOf)).toEqual(Array(rtl.length).fill('rtl'));
    const ltr = ['en', 'de-AT', 'az', 'pa', 'ja', 'zh-Hant', 'he-Latn', '"><script>', ''];
    expect(ltr.map(directionOf)).toEqual(Array(ltr.length).fill('ltr'));
  });

  it.each([
    ['en', undefined, 'en'],
    ['en', 'en_GB', 'en-GB'],
    ['en', 'de-DE', 'en-DE'],
    ['en', 'fa-IR', 'en-001'],
    ['en', 'fr', 'en'],
    ['en-GB', 'fa-IR', 'en-GB'],
    ['de', 'de-AT', 'de-AT'],
    ['de', 'fa-IR', 'de'],
    ['de', 'it-CH', 'de-CH'],
    ['ar', 'ar-EG', 'ar-EG'],
    ['pt-BR', 'pt-PT', 'pt-PT'],
    ['sr-Latn', 'sr-RS', 'sr-Latn-RS'],
    ['de', 'C.UTF-8', 'de'],
    ['de', '??', 'de'],
    ['tlh', 'de-DE', 'en-DE'],
  ])('is the form of dates and numbers: %s for a reader with %s as in %s', (language, locale, format) => {
    expect(formatLocale(language, locale)).toBe(format);
  });
});
