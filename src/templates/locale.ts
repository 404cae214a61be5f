/**
 * Languages: how locales are written, which of several texts a reader gets, in which direction a text runs, and how its
 * dates and numbers look. The one place that reads a locale. Pure.
 */

/** Whether a text runs from left to right or from right to left. */
export type Direction = 'ltr' | 'rtl';

/** Longest locale that is read, in characters. */
const maxLength = 100;

/** POSIX names a script as a modifier: `sr_RS@latin`. */
const scriptsOfModifiers: Readonly<Record<string, string>> = { latin: 'Latn', cyrillic: 'Cyrl', arabic: 'Arab' };

/**
 * Returns a locale as BCP 47 writes it, or null if it is not one. Operating systems, Java and most frameworks write
 * `de_AT`, `zh_CN.UTF-8`, `sr_RS@latin` or `zh_CN_#Hans`. `C` and `POSIX` name no language, so they are `und`.
 */
export function canonicalLocale(written: string): string | null {
  if (written.length > maxLength) return null;
  const [name = '', modifier = ''] = written.trim().split('@', 2);
  const base = name.replace(/\..*$/, '');
  if (/^(?:C|POSIX)$/i.test(base)) return 'und';
  const tag = base
    .replaceAll('_', '-')
    // Java writes the script last.
    .replace(/^([a-z]{2,3})(?:-([a-z]{2}|\d{3})?)?-#([a-z]{4})$/i, (_, language: string, region = '', script = '') =>
      [language, script, region].filter(Boolean).join('-'),
    );
  const [canonical] = canonicalTags(tag);
  const script = scriptsOfModifiers[modifier.toLowerCase()];
  if (canonical === undefined || script === undefined) return canonical ?? null;
  return new Intl.Locale(canonical, { script }).toString();
}

function canonicalTags(tag: string): string[] {
  try {
    return Intl.getCanonicalLocales(tag);
  } catch {
    return [];
  }
}

/** Whether a locale is understood; otherwise a recipient gets a template's default language. */
export function isLocale(written: string): boolean {
  return canonicalLocale(written) !== null;
}

/**
 * Returns the language of a template file or a header as BCP 47 writes it, or null if it names no language: `pt_br`
 * becomes `pt-BR`. Stricter than `canonicalLocale`, so that `invoice.old.md` is not a translation.
 */
export function knownLanguage(written: string): string | null {
  const tag = canonicalLocale(written);
  if (tag === null || tag === 'und' || tag !== new Intl.Locale(tag).baseName) return null;
  return nameOf(tag, 'none') === undefined ? null : tag;
}

/** The English name of a language: `Brazilian Portuguese` for `pt-BR`. */
export function languageName(language: string): string {
  return nameOf(language, 'code') ?? language;
}

function nameOf(language: string, fallback: 'none' | 'code'): string | undefined {
  return new Intl.DisplayNames(['en'], { type: 'language', fallback }).of(language);
}

/**
 * Chooses the language for a reader by lookup (RFC 4647, section 3.4): `pt-BR` gets `pt-BR`, otherwise `pt`. The script
 * that a locale implies counts as written, so that `zh-CN` gets `zh-Hans`. Returns null if there is none for them.
 *
 * @param languages canonical tags.
 */
export function lookUpLanguage(languages: readonly string[], locale: string | undefined): string | null {
  const tag = locale === undefined || languages.includes(locale) ? locale : canonicalLocale(locale);
  if (tag === undefined || tag === null || /^und\b/.test(tag)) return null;
  const [language = ''] = tag.split('-', 1);
  const related = languages.filter(
    (known) => known === language || known === sameLanguage[language] || known.startsWith(`${language}-`),
  );
  const [only] = related;
  // Every email asks, and finding the script that a locale implies takes 0.1 ms.
  if (only === undefined || (related.length === 1 && !only.includes('-'))) return only ?? null;
  return rangesOf(tag).find((range) => related.includes(range)) ?? null;
}

/** Norwegian is written in two ways, and "no" stands for the more common one. */
const sameLanguage: Readonly<Record<string, string>> = { nb: 'no', no: 'nb' };

/** The tags that a locale accepts, best first. */
function rangesOf(tag: string): string[] {
  const locale = new Intl.Locale(tag);
  const { language, region, baseName } = locale;
  const { script: likely } = locale.maximize();
  const subtags = baseName.split('-');
  const truncated = subtags.slice(1).map((_, dropped) => subtags.slice(0, subtags.length - dropped).join('-'));
  const isLikely = new Intl.Locale(region ? `${language}-${region}` : language).maximize().script === likely;
  return [
    ...truncated,
    ...(likely && region ? [`${language}-${likely}-${region}`] : []),
    ...(region && isLikely ? [`${language}-${region}`] : []),
    ...(likely ? [`${language}-${likely}`] : []),
    language,
    sameLanguage[language] ?? language,
  ];
}

const rightToLeft: ReadonlySet<string> = new Set([
  ...['Adlm', 'Arab', 'Aran', 'Hebr', 'Mand', 'Mend', 'Nkoo', 'Rohg', 'Samr', 'Syrc', 'Thaa', 'Yezi'],
]);

/** The direction of a language's script. A tag that is not valid runs from left to right. */
export function directionOf(language: string): Direction {
  const [tag] = canonicalTags(language);
  const script = tag === undefined ? '' : (new Intl.Locale(tag).maximize().script ?? '');
  return rightToLeft.has(script) ? 'rtl' : 'ltr';
}

/**
 * The locale of dates and numbers: the language of the text with the habits of the reader's country. A German text has
 * German months and digits for every reader, and an Austrian's separators for an Austrian.
 *
 * @param language canonical tag of the text; undefined: the reader's language.
 * @param locale the reader's, as written.
 */
export function formatLocale(language: string | undefined, locale: string | undefined): string {
  const tag = locale === undefined ? null : canonicalLocale(locale);
  if (language === undefined) return (tag === null ? null : supported(tag)) ?? 'en';
  const text = supported(language) ?? 'en';
  if (tag === null) return text;
  const reader = new Intl.Locale(tag);
  const own = new Intl.Locale(text);
  const { script = 'Latn' } = own.maximize();
  if (reader.language === own.language) {
    const same = reader.maximize().script === script;
    return supported(same ? tag : new Intl.Locale(tag, { script }).toString()) ?? text;
  }
  if (reader.region === undefined) return text;
  const abroad = new Intl.Locale(text, { region: reader.region }).toString();
  if (resolved(abroad) === abroad) return abroad;
  // Without data of its own a country would get the dates of the United States.
  return own.language === 'en' && own.region === undefined ? 'en-001' : text;
}

/** Intl takes the language of the machine for one that it does not know, so that two workers would differ. */
function supported(tag: string): string | null {
  return Intl.DateTimeFormat.supportedLocalesOf([tag]).length > 0 ? tag : null;
}

function resolved(tag: string): string {
  return new Intl.DateTimeFormat(tag).resolvedOptions().locale;
}
