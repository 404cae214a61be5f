/** Reads a folder of template files. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '../errors.ts';
import type { TemplateIssue, TemplateSource } from './template-file.ts';

/**
 * Path of the folder with the templates that come with the package. A bundle has no such folder, and a CommonJS bundle
 * does not even know its own path; it must load all the same.
 */
export const shippedTemplatesFolder = join(import.meta.dirname ?? '', '../../templates/');

const maximumFiles = 1000;

/**
 * Reads every `*.md` file of a folder except `README.md`, sorted by name. Other files and subfolders are ignored. Two
 * names that differ only in case are an issue, so that a folder means the same on every file system.
 *
 * With `allowEmpty`, a folder without template files is not an error.
 *
 * @returns the templates that could be read, and everything that is wrong with the others.
 * @throws {ConfigurationError} if the folder cannot be read, contains no template file or more than 1,000.
 */
export async function readTemplates(
  folder: string,
  { allowEmpty = false }: { readonly allowEmpty?: boolean } = {},
): Promise<{ sources: TemplateSource[]; issues: TemplateIssue[] }> {
  const files = await templateFiles(folder, allowEmpty);
  // The parsers of YAML and Handlebars take 20 MB, which an application that only enqueues does not need.
  const { issueAt, parseTemplate } = await import('./template-file.ts');
  const sources: TemplateSource[] = [];
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
    const read = parseTemplate(file, await readFile(join(folder, file), 'utf8'));
    if (read.source) sources.push(read.source);
    issues.push(...read.issues);
  }
  return { sources, issues };
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
  if (files.length > maximumFiles) {
    throw new ConfigurationError(
      'templates',
      `the folder ${folder} contains ${files.length} template files; the maximum is ${maximumFiles}`,
    );
  }
  return files.sort();
}
