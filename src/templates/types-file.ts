/** The generated file of a folder's templates on disk: written, and compared with what the templates say now. */
import { readFile, writeFile } from 'node:fs/promises';
import { ConfigurationError } from '../errors.ts';
import { differsInContent, generateTypes } from './generate-types.ts';
import { issueAt, type TemplateIssue, type TemplateSource } from './template-file.ts';

/**
 * Writes the file if its content is out of date. Returns whether it was.
 * @throws {ConfigurationError} if the file cannot be read or written.
 */
export async function writeTypesFile(path: string, sources: readonly TemplateSource[]): Promise<boolean> {
  const written = await readTypesFile(path);
  const text = generateTypes(sources);
  if (written !== null && !differsInContent(written, text)) return false;
  await writeFile(path, text).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigurationError('types', `cannot write ${path} (${error.code}); its folder must exist`, {
      cause: error,
    });
  });
  return true;
}

/**
 * Returns an issue if the file is out of date, none if it is up to date, and none without a file.
 * @throws {ConfigurationError} if the file exists and cannot be read.
 */
export async function typesFileIssues(
  path: string,
  { folder, sources }: { readonly folder: string; readonly sources: readonly TemplateSource[] },
): Promise<TemplateIssue[]> {
  const written = await readTypesFile(path);
  if (written === null || !differsInContent(written, generateTypes(sources))) return [];
  const message = `the types are out of date; run "pg-herald types ${folder} --out ${path}"`;
  return [issueAt(path, { line: 1, column: 1 }, { message })];
}

async function readTypesFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new ConfigurationError('types', `cannot read ${path} (${code})`, { cause: error });
  }
}
