/** Compares the languages of a template: what one of them lacks, and what only one of them has. */
import { type PathUse, pathUses } from './labels.ts';
import { hasWords, layoutWordNames } from './layout-words.ts';
import { languageName, lookUpLanguage } from './locale.ts';
import { suggestion } from './nearest.ts';
import { parseSyntax } from './parse.ts';
import {
  issueAt,
  positionWithin,
  type TemplateIssue,
  type TemplateSource,
  type TemplateTranslation,
  textsOf,
  type WithTexts,
} from './template-file.ts';
import { loopsOf } from './walk.ts';

/** The issues of one translation; null: those of the default language. The texts must be sound. */
export function languageIssues(source: TemplateSource, translation: TemplateTranslation | null): TemplateIssue[] {
  const words = wordIssues(translation ?? source);
  if (translation === null) return words;
  const [base, text] = [usesOf(source), usesOf(translation)];
  return [
    ...words,
    ...actionIssues(source, translation),
    ...missingIssues(source, translation, { base, text }),
    ...loopIssues(source, translation),
    ...additionalIssues(source, translation, { base, text }),
  ];
}

type Texts = WithTexts & Pick<TemplateSource, 'origin'>;

interface PlacedUse extends PathUse {
  /** For example `label "reason"` or `"data.builds"`. */
  readonly what: string;
  readonly where: string;
}

/** The labels and fields of the data that the texts use. */
function usesOf(texts: Texts): PlacedUse[] {
  return textsOf(texts).flatMap(({ where, text }) =>
    pathUses(parseSyntax(text).parts).flatMap((use): PlacedUse[] => {
      const [root, name] = use.path;
      if (name === undefined || (root !== 'labels' && root !== 'data')) return [];
      return [{ ...use, where, what: root === 'labels' ? `label "${name}"` : `"${writtenPath(use.path)}"` }];
    }),
  );
}

function writtenPath(path: readonly string[]): string {
  return path.join('.').replaceAll('.[]', '[]');
}

interface ComparedUses {
  readonly base: readonly PlacedUse[];
  readonly text: readonly PlacedUse[];
}

function warningAt(file: string, message: string): TemplateIssue {
  return issueAt(file, { line: 1, column: 1 }, { message, severity: 'warning' });
}

function missingIssues(
  { origin, language }: TemplateSource,
  translation: TemplateTranslation,
  { base, text }: ComparedUses,
): TemplateIssue[] {
  const used = new Set(text.map(({ what }) => what));
  const missing = [...new Set(base.map(({ what }) => what))].filter((what) => !used.has(what));
  const whose = `${origin.file} (${languageName(language)}) uses`;
  return missing.map((what) => warningAt(translation.origin.file, `${what} is not used here; ${whose} it`));
}

/** A label that only a translation needs would fail every message: the application does not know of it. */
function additionalIssues(
  source: TemplateSource,
  translation: TemplateTranslation,
  { base, text }: ComparedUses,
): TemplateIssue[] {
  const examples = Object.keys(source.example?.labels ?? {}).map((label) => `label "${label}"`);
  const known = new Set([...base.map(({ what }) => what), ...examples]);
  const labels = base.flatMap(({ path: [root, name = ''] }) => (root === 'labels' ? [name] : []));
  return text
    .filter(({ what }) => !known.has(what))
    .map(({ what, where, path, position, mayBeAbsent, conditionDepth }) => {
      const hint = path[0] === 'labels' ? suggestion(path[1] ?? '', labels) : '';
      const start = translation.origin.positions[where] ?? { line: 1, column: 1 };
      return issueAt(translation.origin.file, positionWithin(start, position), {
        message: `${what} is not used in ${source.origin.file}${hint}`,
        severity: mayBeAbsent || conditionDepth >= 0 ? 'warning' : 'error',
      });
    });
}

function loopIssues(source: TemplateSource, translation: TemplateTranslation) {
  const loops = (texts: WithTexts) => textsOf(texts).flatMap(({ text }) => loopsOf(parseSyntax(text).parts));
  const left = loops(translation);
  const { origin } = source;
  return loops(source).flatMap((loop) => {
    const at = left.indexOf(loop);
    if (at < 0) return [warningAt(translation.origin.file, `the loop over ${loop} of ${origin.file} is missing here`)];
    left.splice(at, 1);
    return [];
  });
}

function actionIssues({ actions, origin }: TemplateSource, translation: TemplateTranslation): TemplateIssue[] {
  const { origin: own, actions: translated } = translation;
  const place = own.positions['actions[0].label'] ?? { line: 1, column: 1 };
  if (translated.length !== actions.length) {
    const message = `actions: ${origin.file} has ${actions.length}, this file has ${translated.length}`;
    return [issueAt(own.file, place, { message: `${message}; list each with a label, in the same order` })];
  }
  return translated.flatMap(({ url }, index) =>
    url === actions[index]?.url
      ? []
      : [
          issueAt(own.file, own.positions[`actions[${index}].url`] ?? place, {
            message: `actions[${index}].url differs from that of ${origin.file}; leave it out to use the same`,
            severity: 'warning',
          }),
        ],
  );
}

function wordIssues({ language, words, origin }: Pick<TemplateTranslation, 'language' | 'words' | 'origin'>) {
  const missing = layoutWordNames.filter((name) => words?.[name] === undefined);
  if (hasWords(language) || missing.length === 0) return [];
  const file = `locales/${language}.json`;
  const message = `the layout has no words in ${languageName(language)}, so it is in English`;
  return [warningAt(origin.file, `${message}; write ${missing.join(', ')} in ${file}`)];
}

/**
 * An error for each template without a text that readers of a language get.
 *
 * @param languages canonical tags.
 */
export function requiredLanguageIssues(
  sources: readonly TemplateSource[],
  languages: readonly string[],
): TemplateIssue[] {
  return sources.flatMap((source) => {
    const { origin, name } = source;
    const missing = languages.filter((language) => lookUpLanguage(languagesOf(source), language) === null);
    return missing.map((language) =>
      issueAt(
        origin.file,
        { line: 1, column: 1 },
        { message: `there is no text in ${languageName(language)}; write ${name}.${language}.md` },
      ),
    );
  });
}

/** The languages of a template, the default first. */
export function languagesOf({ language, translations }: TemplateSource): string[] {
  return [language, ...translations.map((translation) => translation.language)];
}
