/** Plural forms: which of them a language has (CLDR), and which a template must give. */

/** The categories of CLDR. No language has all of them but Arabic and Welsh. */
export const pluralCategories: readonly Intl.LDMLPluralRule[] = ['zero', 'one', 'two', 'few', 'many', 'other'];

/** The rules of a language; English ones for a language that Intl does not know. It would take the machine's. */
export function pluralRules(language: string): Intl.PluralRules {
  return new Intl.PluralRules(Intl.PluralRules.supportedLocalesOf([language])[0] ?? 'en');
}

/** What is wrong with a call of `plural`, whatever the language; null: nothing. */
export function pluralProblem(args: number, options: readonly string[]): string | null {
  if (args === 3 && options.length === 0) return null;
  if (args === 1 && options.includes('other')) return null;
  return args === 1 ? '"plural" needs the form "other"' : '"plural" takes two forms, or a name for each form, not both';
}

/** Counts up to here show every category that a whole number needs; "many" for millions, as in French, is not one. */
const countsTried = 200;

/**
 * The categories of whole numbers in a language, each with its first count: `one` 1, `few` 2, `many` 0 and `other` for
 * Polish. A form that is missing is replaced by `other`, which is wrong for a reader.
 */
export function neededPlurals(language: string): ReadonlyMap<string, number> {
  const rules = pluralRules(language);
  const needed = new Map<string, number>();
  for (let count = 0; count <= countsTried; count++) {
    const category = rules.select(count);
    if (!needed.has(category)) needed.set(category, count);
  }
  return needed;
}

/** All categories of a language, also those of fractions and of millions. */
export function possiblePlurals(language: string): readonly string[] {
  return pluralRules(language).resolvedOptions().pluralCategories;
}
