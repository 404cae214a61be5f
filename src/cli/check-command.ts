import { join } from 'node:path';
import type { Command } from 'commander';
import { audienceDays, audienceIssues, readAudience } from '../templates/audience.ts';
import { requiredLanguageIssues } from '../templates/compare-languages.ts';
import { typesFileName } from '../templates/generate-types.ts';
import { knownLanguage } from '../templates/locale.ts';
import { typesFileIssues } from '../templates/types-file.ts';
import { checked, type FolderOptions, folderOf, isError, printIssues, refuse, withFolder } from './check-templates.ts';
import { command, withPool } from './command.ts';
import { plural, print, printJson, UsageError } from './output.ts';

interface CheckOptions extends FolderOptions {
  readonly types?: string;
  readonly require?: readonly string[];
  readonly recipients?: boolean;
}

/** `templates check` */
export function checkCommand(): Command {
  const made = command(
    'check',
    'Check the template files of a folder for errors and render their examples. Needs no database',
    {
      example: 'templates check',
      more: [
        ['templates check --require de,fr', 'each template must have these languages'],
        ['templates check --recipients', 'with the database: how many recipients miss their language'],
      ],
      notes: [
        'It compares the languages of each template: labels, loops, actions and plural forms.',
        `It also compares the file that "pg-herald types" wrote, if there is one.`,
      ],
      seeAlso: ['templates preview', 'templates sync', 'types'],
    },
  );
  return withFolder(made)
    .option('--types <file>', `the file of "pg-herald types"; default ${typesFileName} in the folder`)
    .option('--require <languages>', 'languages that each template must have, separated by commas', languageList)
    .option('--recipients', `count the recipients of the last ${audienceDays} days that miss their language`)
    .action(check);
}

function languageList(written: string): string[] {
  return written.split(',').map((each) => {
    const language = knownLanguage(each);
    if (language === null) throw new UsageError(`--require: "${each.trim()}" is not a language such as de or pt-BR`);
    return language;
  });
}

async function check(given: string | undefined, options: CheckOptions): Promise<void> {
  const folder = folderOf(given, options);
  const { sources, issues } = await checked(folder);
  const required = requiredLanguageIssues(sources, options.require ?? []);
  // A broken template has no types.
  const outdated = issues.some(isError)
    ? []
    : await typesFileIssues(options.types ?? join(folder, typesFileName), { folder, sources });
  const audience = options.recipients ? await withPool(options, readAudience) : [];
  const warnings = [...issues, ...audienceIssues(sources, audience)];
  const all = [...warnings, ...required, ...outdated];
  if (all.some(isError)) return refuse(all, options);
  if (options.json) return printJson({ templates: sources.length, issues: warnings });
  printIssues(warnings);
  print(`${plural(sources.length, 'template')}, no errors`);
}
