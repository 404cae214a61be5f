/** Reads a folder of template files. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import type { TemplateIssue, TemplateSource } from './template-file.ts';
import type { TranslationSource } from './translation-file.ts';

/**
 * Path of the folder with the templates that come with the package. A bundle has no such folder, and a CommonJS bundle
 * does not even know its own path; it must load all the same.
 */
export const shippedTemplatesFolder = join(import.meta.dirname ?? '', '../../templates/');

const maximumTemplates = 1000;
/** Templates and their translations. */
const maximumFiles = 20_000;

/**
 * Reads every `*.md` file of a folder except `README.md`, sorted by name, and the words in its subfolder `locales`.
 * Other files and subfolders are ignored. A template of which one language cannot be read is left out. Two names that
 * differ only in case are an issue, so that a folder means the same on every file system.
 *
 * With `allowEmpty`, a folder without template files is not an error.
 *
 * @returns the templates that could be read, and everything that is wrong with the others.
 * @throws {ConfigurationError} if the folder cannot be read, contains no template file, more than 1,000
 * templates or more than 20,000 files.
 */
export async function readTemplates(
  folder: string,
  { allowEmpty = false }: { readonly allowEmpty?: boolean } = {},
): Promise<{ sources: TemplateSource[]; issues: TemplateIssue[] }> {
  const files = await templateFiles(folder, allowEmpty);
  // The parsers of YAML and Handlebars take 20 MB, which an application that only enqueues does not need.
  const [{ issueAt, parseTemplate }, { isTranslationFile, joinTranslations, parseTranslation }, { readWords }] =
    await Promise.all([import('./template-file.ts'), import('./translation-file.ts'), import('./words-file.ts')]);
  const sources: TemplateSource[] = [];
  const translations: TranslationSource[] = [];
  const broken = new Set<string>();
  const issues: TemplateIssue[] = [];
  const seen = new Map<string, string>();
  for (const file of files) {
    const same = seen.get(file.toLowerCase());
    if (same !== undefined) {
      issues.push(
        issueAt(
          file,
          { line: 1, column: 1 },
          { message: `two files for one template: ${same} and ${file}; remove one` },
        ),
      );
      continue;
    }
    seen.set(file.toLowerCase(), file);
    const content = await readFile(join(folder, file), 'utf8');
    if (isTranslationFile(file)) {
      const read = parseTranslation(file, content);
      if (read.source) translations.push(read.source);
      else broken.add(file.replace(/\..*$/, ''));
      issues.push(...read.issues);
      continue;
    }
    const read = parseTemplate(file, content);
    if (read.source) sources.push(read.source);
    issues.push(...read.issues);
  }
  const { words, issues: wordIssues } = await readWords(folder);
  const joined = joinTranslations({ sources, translations, words });
  for (const { file } of joined.issues) broken.add(file.replace(/\..*$/, ''));
  return {
    sources: joined.sources.filter(({ name }) => !broken.has(name)),
    issues: [...issues, ...wordIssues, ...joined.issues],
  };
}

async function templateFiles(folder: string, allowEmpty: boolean): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError(
      'templates',
      `cannot read the folder ${folder} (${error.code}); name a folder with template files (*.md)`,
      {
        cause: error,
      },
    );
  });
  const files = entries
    .filter((entry) => !entry.isDirectory() && /\.md$/i.test(entry.name) && !/^readme\.md$/i.test(entry.name))
    .map((entry) => entry.name);
  if (files.length === 0 && !allowEmpty)
    throw new ConfigurationError('templates', `the folder ${folder} contains no template files (*.md)`);
  const templates = files.filter((file) => file.split('.').length === 2).length;
  for (const [count, most] of [[templates, maximumTemplates] as const, [files.length, maximumFiles] as const]) {
    const message = `the folder ${folder} contains ${count} template files; the maximum is ${most}`;
    if (count > most) throw new ConfigurationError('templates', message);
  }
  return files.sort();
}
