import { writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { type CatalogEntry, listTemplates, syncTemplates } from '../templates/catalog.ts';
import { renderExample } from '../templates/check.ts';
import { typesFileName } from '../templates/generate-types.ts';
import { readTemplateHistory, type TemplateHistory } from '../templates/history.ts';
import { suggestion } from '../templates/nearest.ts';
import { typesFileIssues } from '../templates/types-file.ts';
import { positiveInteger } from './arguments.ts';
import { checked, type FolderOptions, folderOf, isError, printIssues, refuse, withFolder } from './check-templates.ts';
import { type CommonOptions, command, commandGroup, tableCommand, withPool } from './command.ts';
import { readBrand } from './config.ts';
import {
  color,
  plural,
  print,
  printFields,
  printJson,
  printStderr,
  printTable,
  timeText,
  UsageError,
} from './output.ts';
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

function checkCommand(): Command {
  const made = command(
    'check',
    'Check the template files of a folder for errors and render their examples. Needs no database',
    {
      example: 'templates check',
      notes: [`It also compares the file that "pg-herald types" wrote, if there is one.`],
      seeAlso: ['templates preview', 'templates sync', 'types'],
    },
  );
  return withFolder(made)
    .option('--types <file>', `the file of "pg-herald types"; default ${typesFileName} in the folder`)
    .action(check);
}

async function check(given: string | undefined, options: FolderOptions & { types?: string }): Promise<void> {
  const folder = folderOf(given, options);
  const { sources, issues } = await checked(folder);
  // A broken template has no types.
  const outdated = issues.some(isError)
    ? []
    : await typesFileIssues(options.types ?? join(folder, typesFileName), { folder, sources });
  const all = [...issues, ...outdated];
  if (all.some(isError)) return refuse(all, options);
  if (options.json) return printJson({ templates: sources.length, issues });
  printIssues(issues);
  print(`${plural(sources.length, 'template')}, no errors`);
}

function listCommand(): Command {
  return tableCommand('list', 'List the templates in the database', 'templates list').action((options: CommonOptions) =>
    withPool(options, async (pool) => {
      const entries = await listTemplates(pool);
      if (options.json) return printJson(entries);
      printTable(
        ['template', 'version', 'group', 'methods', 'flags', 'labels'],
        entries.map((entry) => [
          entry.name,
          String(entry.version),
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
    more: [['templates show build-failed --text 3', 'the text of an older version']],
    seeAlso: ['templates preview', 'templates list'],
  })
    .argument('<template>', 'name of a template in the database')
    .option('--text <version>', 'the text of this version; default the current one', positiveInteger)
    .action((name: string, options: CommonOptions & { text?: number }) =>
      withPool(options, async (pool) => {
        const template = await readTemplateHistory(pool, name);
        if (template === null) throw await noSuchTemplate(pool, name);
        const version = versionOf(template, options.text ?? template.currentVersion);
        if (options.json) return printJson(template);
        printTemplate(template, version);
      }),
    );
}

function versionOf({ name, versions }: TemplateHistory, number: number): StoredVersion {
  const version = versions.find((each) => each.version === number);
  if (version !== undefined) return version;
  throw new UsageError(`no version ${number} of "${name}": the newest is ${versions[0]?.version}`);
}

function printTemplate({ versions, ...fields }: TemplateHistory, version: StoredVersion): void {
  printFields(fields);
  print('');
  printTable(
    ['version', 'since (UTC)', 'title', 'labels'],
    versions.map((each) => [
      String(each.version),
      timeText(each.createdAt),
      each.title,
      each.labels.map((label) => (each.secrets.includes(label) ? `${label} (secret)` : label)).join(' '),
    ]),
    '',
    { neverCut: ['since (UTC)'], dropFirst: ['labels'] },
  );
  print(`\n${color('bold', `Text of version ${version.version}`)}\n\n${version.body.trimEnd()}`);
  for (const { label, url } of version.actions) print(`\n[${label}](${url})`);
}

function previewCommand(): Command {
  const made = command('preview', "Render a template's example as the recipient would see it. Needs no database", {
    example: 'templates preview workspace-deleted --html email.html',
    more: [['templates preview notifications/workspace-deleted.md', 'by its file']],
  }).argument('<template>', 'name of the template, or its file');
  return withFolder(made).option('--html <file>', 'write the HTML of the email to a file').action(preview);
}

async function preview(given: string, inFolder: string | undefined, options: FolderOptions & { html?: string }) {
  const isFile = given.endsWith('.md');
  const name = isFile ? basename(given, '.md') : given;
  const folder = isFile && given.includes('/') ? dirname(given) : folderOf(inFolder, options);
  const { sources, issues } = await checked(folder);
  const source = sources.find((candidate) => candidate.name === name);
  if (source === undefined) {
    const own = issues.filter((issue) => issue.file.endsWith(`${name}.md`));
    if (own.length > 0) return refuse(own, options);
    const names = sources.map((candidate) => candidate.name);
    const found = names.length === 0 ? 'the folder has no templates' : `it has ${names.join(', ')}`;
    throw new UsageError(`no template "${name}" in ${folder}: ${found}${suggestion(name, names)}`);
  }
  const { content, email } = renderExample(source, readBrand());
  if (options.html) writeFileSync(options.html, email.html);
  if (options.json) return printJson({ content, email });
  print(`${color('bold', email.subject)}\n\n${email.text}`);
  if (options.html) printStderr(`wrote ${options.html}`);
}
