import { writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Command } from 'commander';
import { type CatalogEntry, listTemplates, syncTemplates } from '../templates/catalog.ts';
import { inLanguage, renderExample } from '../templates/check.ts';
import { readTemplateHistory, type TemplateHistory } from '../templates/history.ts';
import type { LanguageText } from '../templates/choose-text.ts';
import { suggestion } from '../templates/nearest.ts';
import type { TemplateSource } from '../templates/template-file.ts';
import { knownLanguage } from '../templates/locale.ts';
import { stepText } from '../templates/steps.ts';
import { positiveInteger } from './arguments.ts';
import { checked, type FolderOptions, folderOf, isError, refuse, withFolder } from './check-templates.ts';
import { checkCommand } from './check-command.ts';
import { type CommonOptions, command, commandGroup, tableCommand, withPool } from './command.ts';
import { readBrand } from './config.ts';
import { color, print, printFields, printJson, printStderr, printTable, timeText, UsageError } from './output.ts';
import { noSuchTemplate, setCommand } from './set-template.ts';

type StoredVersion = TemplateHistory['versions'][number];

/** `pg-herald templates` */
export function templatesCommand(): Command {
  return commandGroup('templates', 'Check template files, store them in the database, and show what is stored', [
    syncCommand(),
    checkCommand(),
    listCommand(),
    showCommand(),
    setCommand(),
    previewCommand(),
  ]);
}

function syncCommand(): Command {
  const made = tableCommand(
    'sync',
    'Store the template files of a folder in the database. Stores nothing if one of them has an error',
    {
      example: 'templates sync',
      more: [['templates sync --dry-run', 'show what would change, and change nothing']],
      notes: ['A changed text becomes a new version; pending messages keep theirs. Nothing is deleted.'],
      seeAlso: ['templates check', 'templates list'],
    },
  );
  return withFolder(made).option('--dry-run', 'show what would change, and change nothing').action(sync);
}

async function sync(folder: string | undefined, options: FolderOptions & { dryRun?: boolean }): Promise<void> {
  const { sources, issues } = await checked(folderOf(folder, options));
  if (issues.some(isError)) return refuse(issues, options, '; nothing was changed');
  const changes = await withPool(options, (pool) => syncTemplates(pool, sources, { dryRun: options.dryRun === true }));
  if (options.json) return printJson(changes);
  printTable(
    ['template', 'version', 'change'],
    changes.map(({ name, version, change }) => [
      name,
      String(version),
      change === 'missing' ? 'no file (stays)' : change,
    ]),
    'no templates in this folder',
  );
}

function listCommand(): Command {
  return tableCommand('list', 'List the templates in the database', 'templates list').action((options: CommonOptions) =>
    withPool(options, async (pool) => {
      const entries = await listTemplates(pool);
      if (options.json) return printJson(entries);
      const isTranslated = entries.some(({ languages }) => languages.length > 1);
      printTable(
        ['template', 'version', ...(isTranslated ? ['languages'] : []), 'group', 'methods', 'flags', 'labels'],
        entries.map((entry) => [
          entry.name,
          String(entry.version),
          ...(isTranslated ? [entry.languages.join(' ')] : []),
          entry.group,
          (entry.methodsOverride ?? entry.methods ?? ['default']).join(' '),
          flagsOf(entry).join(', '),
          entry.labels.join(' '),
        ]),
        'no templates yet: run "pg-herald templates sync"',
        { neverCut: ['template'], dropFirst: ['flags', 'group'] },
      );
    }),
  );
}

function flagsOf({ enabled, mandatory, enabledByDefault, guard }: CatalogEntry): string[] {
  return [
    ...(enabled ? [] : ['disabled']),
    ...(mandatory ? ['mandatory'] : []),
    ...(enabledByDefault ? [] : ['off by default']),
    ...(guard === null ? [] : ['guarded']),
  ];
}

function showCommand(): Command {
  return tableCommand('show', 'Show one template in the database: its options, versions and text', {
    example: 'templates show build-failed',
    more: [
      ['templates show build-failed --text 3', 'the text of an older version'],
      ['templates show build-failed --language de', 'the text of another language'],
    ],
    seeAlso: ['templates preview', 'templates list'],
  })
    .argument('<template>', 'name of a template in the database')
    .option('--text <version>', 'the text of this version; default the current one', positiveInteger)
    .option('--language <tag>', 'the text in this language, for example de; default that of the template')
    .action((name: string, options: CommonOptions & { text?: number; language?: string }) =>
      withPool(options, async (pool) => {
        const template = await readTemplateHistory(pool, name);
        if (template === null) throw await noSuchTemplate(pool, name);
        const version = versionOf(template, options.text ?? template.currentVersion);
        const text = textIn(version, options.language);
        if (options.json) return printJson(template);
        printTemplate(template, version, text);
      }),
    );
}

function versionOf({ name, versions }: TemplateHistory, number: number): StoredVersion {
  const version = versions.find((each) => each.version === number);
  if (version !== undefined) return version;
  throw new UsageError(`no version ${number} of "${name}": the newest is ${versions[0]?.version}`);
}

/** The text of a version in a language that it has. */
function textIn(version: StoredVersion, written: string | undefined): LanguageText {
  const texts = [version, ...(version.texts ?? [])];
  const language = written === undefined ? version.language : knownLanguage(written);
  const text = texts.find((each) => each.language === language);
  if (text !== undefined) return text;
  const languages = texts.map((each) => each.language).join(', ');
  throw new UsageError(`no text in "${written}" of version ${version.version}: it has ${languages}`);
}

function printTemplate({ versions, ...fields }: TemplateHistory, version: StoredVersion, text: LanguageText): void {
  printFields(fields);
  print('');
  const isTranslated = versions.some(({ texts }) => (texts ?? []).length > 0);
  const languages = (each: StoredVersion) => [each.language, ...(each.texts ?? []).map(({ language }) => language)];
  printTable(
    ['version', 'since (UTC)', ...(isTranslated ? ['languages'] : []), 'title', 'labels'],
    versions.map((each) => [
      String(each.version),
      timeText(each.createdAt),
      ...(isTranslated ? [languages(each).join(' ')] : []),
      each.title,
      each.labels.map((label) => (each.secrets.includes(label) ? `${label} (secret)` : label)).join(' '),
    ]),
    '',
    { neverCut: ['since (UTC)'], dropFirst: ['labels'] },
  );
  const which = `Text of version ${version.version}${text === version ? '' : ` in ${text.language}`}`;
  print(`\n${color('bold', which)}\n\n${text.body.trimEnd()}`);
  for (const { label, url } of text.actions) print(`\n[${label}](${url})`);
}

function previewCommand(): Command {
  const made = command('preview', "Render a template's example as the recipient would see it. Needs no database", {
    example: 'templates preview workspace-deleted --html email.html',
    more: [
      ['templates preview notifications/workspace-deleted.md', 'by its file'],
      ['templates preview workspace-deleted --language de', 'in another language'],
    ],
  }).argument('<template>', 'name of the template, or its file');
  return withFolder(made)
    .option('--html <file>', 'write the HTML of the email to a file')
    .option('--language <tag>', 'render the text in this language, for example de; default that of the template')
    .action(preview);
}

type PreviewOptions = FolderOptions & { html?: string; language?: string };

async function preview(given: string, inFolder: string | undefined, options: PreviewOptions) {
  const isFile = given.endsWith('.md');
  // The file of a further language is NAME.LANGUAGE.md.
  const [name = '', ofFile] = isFile ? basename(given, '.md').split('.') : [given];
  const folder = isFile && given.includes('/') ? dirname(given) : folderOf(inFolder, options);
  const { sources, issues } = await checked(folder);
  const source = sources.find((candidate) => candidate.name === name);
  if (source === undefined) {
    const own = issues.filter((issue) => issue.file.split('.')[0] === name);
    if (own.length > 0) return refuse(own, options);
    const names = sources.map((candidate) => candidate.name);
    const found = names.length === 0 ? 'the folder has no templates' : `it has ${names.join(', ')}`;
    throw new UsageError(`no template "${name}" in ${folder}: ${found}${suggestion(name, names)}`);
  }
  const { content, email } = renderExample(sourceIn(source, options.language ?? ofFile), readBrand());
  if (options.html) writeFileSync(options.html, email.html);
  if (options.json) return printJson({ content, email, steps: source.steps ?? [] });
  print(`${color('bold', email.subject)}\n\n${email.text}`);
  if (source.steps !== null) print(`\n${['Then:', ...source.steps.map(stepText)].join('\n  ')}`);
  if (options.html) printStderr(`wrote ${options.html}`);
}

/** The template with one of its texts alone. */
function sourceIn(source: TemplateSource, written: string | undefined): TemplateSource {
  const language = written === undefined ? source.language : knownLanguage(written);
  if (language === source.language) return source;
  const translation = source.translations.find((each) => each.language === language);
  if (translation !== undefined) return inLanguage(source, translation);
  const languages = [source, ...source.translations].map((each) => each.language).join(', ');
  throw new UsageError(`"${source.name}" has no text in "${written}": it has ${languages}`);
}
