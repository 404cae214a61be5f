/**
 * The files of a template's further languages, for example `invoice.de.md` beside `invoice.md`: they have a title,
 * actions, an example and a body. All options are those of the file without a language.
 */
import { suggestion } from './nearest.ts';
import { readTranslationHeader, type TranslationHeader } from './header.ts';
import { knownLanguage, lookUpLanguage } from './locale.ts';
import {
  exampleOf,
  type FileParts,
  issueAt,
  readParts,
  type TemplateExample,
  type TemplateIssue,
  type TemplateSource,
  type TemplateTranslation,
  withUses,
} from './template-file.ts';

/** A file of a further language that was read. */
export interface TranslationSource extends FileParts<TranslationHeader> {
  /** Name of the template. */
  readonly name: string;
  /** Canonical BCP 47 tag. */
  readonly language: string;
}

const start = { line: 1, column: 1 };

/** Whether a file's name has a language: a template's name never has a dot. */
export function isTranslationFile(file: string): boolean {
  return /^[^.]+\.[^.]+\.md$/i.test(file);
}

/** Parses one file. If its form is not valid, returns no source, and all issues. */
export function parseTranslation(
  file: string,
  content: string,
): { source: TranslationSource | null; issues: TemplateIssue[] } {
  const [name = '', written = ''] = file.split('.');
  const language = knownLanguage(written);
  const message = `"${written}" is not a language; name the file for example ${name}.de.md or ${name}.pt-BR.md`;
  const issues = language === null ? [issueAt(file, start, { message })] : [];
  const read = readParts(file, content, { read: readTranslationHeader, issues });
  if (read.parts === null || language === null) return { source: null, issues: read.issues };
  return { source: { ...read.parts, name, language }, issues: read.issues };
}

/** The files of a folder that were read. */
export interface FolderParts {
  readonly sources: readonly TemplateSource[];
  readonly translations: readonly TranslationSource[];
  /** By language. */
  readonly words: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

/**
 * Puts the languages of each template together, and their words. A translation that belongs to no template is an issue.
 */
export function joinTranslations({ sources, translations, words }: FolderParts): {
  sources: TemplateSource[];
  issues: TemplateIssue[];
} {
  const issues = translations.flatMap((translation) => {
    const problem = placeProblem(translation, sources, translations);
    return problem === null ? [] : [issueAt(translation.origin.file, start, { message: problem })];
  });
  const wrong = new Set(issues.map(({ file }) => file));
  const joined = sources.map((source) => {
    const own = translations.filter(({ name, origin }) => name === source.name && !wrong.has(origin.file));
    return own.length === 0 && words.size === 0 ? source : joinedSource(source, own, words);
  });
  return { sources: joined, issues };
}

function placeProblem(
  { name, language, origin }: TranslationSource,
  sources: readonly TemplateSource[],
  translations: readonly TranslationSource[],
): string | null {
  const template = sources.find((source) => source.name === name);
  if (template === undefined) {
    const names = sources.map((source) => source.name);
    return `there is no sound ${name}.md, which has the options of all languages${suggestion(name, names)}`;
  }
  if (template.language === language)
    return `${template.origin.file} is in the language ${language}, too; change its "language" or remove this file`;
  const first = translations.find((other) => other.name === name && other.language === language);
  if (first === undefined || first.origin.file === origin.file) return null;
  return `two files for the language ${language}: ${first.origin.file} and ${origin.file}; remove one`;
}

function joinedSource(
  source: TemplateSource,
  own: readonly TranslationSource[],
  words: FolderParts['words'],
): TemplateSource {
  const wordsIn = ({ language }: { readonly language: string }) =>
    words.get(lookUpLanguage([...words.keys()], language) ?? '') ?? null;
  const translations = own
    .map((translation) => ({ ...translationOf(translation, source), words: wordsIn(translation) }))
    .sort((a, b) => (a.language < b.language ? -1 : 1));
  return withUses({ ...source, words: wordsIn(source), translations }, source.labels);
}

function translationOf({ language, header, body, origin }: TranslationSource, source: TemplateSource) {
  const { title, preview = null, actions, example } = header;
  const translation: TemplateTranslation = {
    language,
    title,
    preview,
    body,
    actions: actions.map(({ label, url }, index) => ({ label, url: url ?? source.actions[index]?.url ?? '' })),
    words: null,
    example: exampleIn(language, source.example, example),
    origin,
  };
  return translation;
}

/** The reader of the example reads the language that is shown. */
function exampleIn(
  language: string,
  shared: TemplateExample | null,
  own: TranslationHeader['example'],
): TemplateExample | null {
  if (shared === null && own === undefined) return null;
  const { recipient, labels, data } = exampleOf(own ?? {});
  const given = Object.fromEntries(Object.entries(own?.recipient ?? {}).filter(([, value]) => value !== undefined));
  return {
    recipient: { ...(shared?.recipient ?? recipient), locale: language, ...given },
    labels: { ...shared?.labels, ...labels },
    data: own?.data === undefined ? (shared?.data ?? null) : data,
  };
}
