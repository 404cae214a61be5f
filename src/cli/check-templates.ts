/** Reads and checks a folder of template files for the commands that need it, and prints what is wrong. */
import type { Command } from 'commander';
import { checkTemplate } from '../templates/check.ts';
import { readTemplates } from '../templates/files.ts';
import type { TemplateIssue, TemplateSource } from '../templates/template-file.ts';
import type { CommonOptions } from './command.ts';
import { CommandFailed, colorStderr, plural, printJson, printStderr, UsageError } from './output.ts';

/** The folder of template files unless one is named. */
export const defaultFolder = 'notifications';

/** A command that reads a folder of template files: an argument, or --templates as for "dev". */
export function withFolder(made: Command): Command {
  return made
    .argument('[folder]', `folder of .md files; default ${defaultFolder}`)
    .option('--templates <folder>', 'the folder as an option, as in "dev"');
}

/** Options of a command that reads a folder of template files. */
export interface FolderOptions extends CommonOptions {
  readonly templates?: string;
}

/** The folder that was named, or the default. */
export function folderOf(folder: string | undefined, { templates }: FolderOptions): string {
  if (folder !== undefined && templates !== undefined) throw new UsageError('give the folder or --templates, not both');
  return folder ?? templates ?? defaultFolder;
}

/** The templates of a folder, and everything that is wrong with it. */
export async function checked(folder: string): Promise<{ sources: TemplateSource[]; issues: TemplateIssue[] }> {
  const { sources, issues } = await readTemplates(folder);
  return { sources, issues: [...issues, ...sources.flatMap((source) => checkTemplate(source))] };
}

/** False for a warning. */
export const isError = ({ severity }: TemplateIssue): boolean => severity === 'error';

/** Prints one line for each issue to standard error. */
export function printIssues(issues: readonly TemplateIssue[]): void {
  for (const issue of issues) {
    const severity = isError(issue) ? colorStderr('red', 'error') : colorStderr('yellow', 'warning');
    printStderr(`${issue.path}: ${severity}: ${issue.message}`);
  }
}

/** Prints the issues and ends the command with exit code 1. */
export function refuse(issues: readonly TemplateIssue[], options: CommonOptions, consequence = ''): never {
  if (options.json) printJson({ issues });
  printIssues(issues);
  printStderr(`${plural(issues.filter(isError).length, 'error')}${consequence}`);
  throw new CommandFailed();
}
