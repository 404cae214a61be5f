/**
 * The application's own words for the layout of emails: `locales/<language>.json` in the folder of the templates, an
 * object of some or all names of `LayoutWords`. They become a part of each version, so that a retry says the same.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import { layoutWordNames } from './layout-words.ts';
import { knownLanguage } from './locale.ts';
import { suggestion } from './nearest.ts';
import { issueAt, type TemplateIssue } from './template-file.ts';

/** The words of a folder, by canonical language tag, and what is wrong with its files. */
export interface FolderWords {
  readonly words: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly issues: readonly TemplateIssue[];
}

/** Name of the folder within the folder of the templates. */
export const wordsFolder = 'locales';

const maximumFiles = 200;
/** In characters. */
const maximumWord = 200;

/**
 * Reads every `*.json` file of the folder `locales`. Without the folder there are no words of one's own.
 *
 * @throws {ConfigurationError} if the folder cannot be read or has more than 200 files.
 */
export async function readWords(templatesFolder: string): Promise<FolderWords> {
  const folder = join(templatesFolder, wordsFolder);
  const words = new Map<string, Readonly<Record<string, string>>>();
  const issues: TemplateIssue[] = [];
  for (const file of await filesOf(folder)) {
    const read = parseWords(file, await readFile(join(folder, file), 'utf8'));
    if (read.words !== null && !words.has(read.language)) words.set(read.language, read.words);
    else if (read.words !== null)
      issues.push(wrong(file, `another file has the words of the language ${read.language}`));
    issues.push(...read.issues);
  }
  return { words, issues };
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw new ConfigurationError('templates', `cannot read the folder ${folder} (${error.code})`, { cause: error });
  });
  const files = entries.filter((entry) => !entry.isDirectory() && /\.json$/i.test(entry.name)).map(({ name }) => name);
  if (files.length > maximumFiles)
    throw new ConfigurationError(
      'templates',
      `the folder ${folder} contains ${files.length} files; the maximum is ${maximumFiles}`,
    );
  return files.sort();
}

function wrong(file: string, message: string): TemplateIssue {
  return issueAt(`${wordsFolder}/${file}`, { line: 1, column: 1 }, { message });
}

/** Parses one file. If anything is wrong with it, it has no words. */
export function parseWords(
  file: string,
  content: string,
): { language: string; words: Readonly<Record<string, string>> | null; issues: TemplateIssue[] } {
  const written = file.replace(/\.json$/i, '');
  const language = knownLanguage(written);
  if (language === null) {
    const issues = [wrong(file, `"${written}" is not a language; name the file for example de.json or pt-BR.json`)];
    return { language: '', words: null, issues };
  }
  const words = objectOf(content);
  if (words === null) return { language, words, issues: [wrong(file, 'this is not a JSON object of names and words')] };
  const issues = Object.entries(words).flatMap(([name, word]) => wordIssues(file, name, word));
  return { language, words: issues.length > 0 ? null : (words as Record<string, string>), issues };
}

function objectOf(content: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(content.replace(/^\ufeff/, ''));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}

function wordIssues(file: string, name: string, word: unknown): TemplateIssue[] {
  if (!layoutWordNames.some((known) => known === name)) {
    const close = suggestion(name, layoutWordNames);
    return [wrong(file, `there is no word "${name}"${close}; known: ${layoutWordNames.join(', ')}`)];
  }
  const isLine = typeof word === 'string' && word.trim() !== '' && word.length <= maximumWord && !/\p{Cc}/u.test(word);
  return isLine ? [] : [wrong(file, `"${name}" must be one line of 1 to ${maximumWord} characters`)];
}
