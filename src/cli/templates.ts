import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { readBrand } from './config.ts';
import { listTemplates, syncTemplates } from '../templates/catalog.ts';
import { checkTemplate, renderExample } from '../templates/check.ts';
import { readTemplates } from '../templates/files.ts';
import { readTemplateHistory } from '../templates/history.ts';
import type { TemplateIssue, TemplateSource } from '../templates/template-file.ts';
import { type CommonOptions, command, listing, positiveInteger, withPool } from './command.ts';
import {
  color,
  colorAside,
  print,
  printAside,
  printFields,
  printJson,
  printTable,
  timeText,
  Unsuccessful,
  UsageError,
} from './output.ts';
import { noTemplate, templateSetCommand } from './methods.ts';

const defaultFolder = 'templates';

export function templatesCommand(): Command {
  return new Command('templates')
    .description('Templates: check the files, put them into the database, look at them')
    .addCommand(syncCommand())
    .addCommand(checkCommand())
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(templateSetCommand())
    .addCommand(previewCommand());
}

function syncCommand(): Command {
  return listing(
    'sync',
    'Put the files of a folder into the database as versions; nothing changes if one of them is wrong',
    'templates sync ./templates',
  )
    .argument('[folder]', 'folder of .md files', defaultFolder)
    .option('--dry-run', 'say what would change')
    .action(async (folder: string, options: CommonOptions & { dryRun?: boolean }) => {
      const { sources, issues } = await checked(folder);
      if (issues.some((issue) => issue.severity === 'error')) return refuse(issues, options, '; nothing was changed');
      const changes = await withPool(options, (pool) =>
        syncTemplates(pool, sources, { dryRun: options.dryRun === true }),
      );
      if (options.json) return printJson(changes);
      printTable(
        ['template', 'version', 'change'],
        changes.map((change) => [
          change.name,
          String(change.version),
          change.change === 'missing' ? 'no file (stays)' : change.change,
        ]),
        'no templates in this folder',
      );
    });
}

function checkCommand(): Command {
  return command(
    'check',
    'Find unknown labels, syntax errors and bad headers, and render every example. Needs no database',
    'templates check ./templates',
  )
    .argument('[folder]', 'folder of .md files', defaultFolder)
    .action(async (folder: string, options: CommonOptions) => {
      const { sources, issues } = await checked(folder);
      const errors = issues.filter((issue) => issue.severity === 'error');
      if (errors.length > 0) return refuse(issues, options);
      if (options.json) return printJson({ templates: sources.length, issues });
      printIssues(issues);
      print(`${sources.length} ${sources.length === 1 ? 'template' : 'templates'}, no errors`);
    });
}

function listCommand(): Command {
  return listing('list', 'The templates in the database', 'templates list').action((options: CommonOptions) =>
    withPool(options, async (pool) => {
      const entries = await listTemplates(pool);
      if (options.json) return printJson(entries);
      printTable(
        ['template', 'version', 'group', 'methods', 'switches', 'labels'],
        entries.map((entry) => [
          entry.name,
          String(entry.version),
          entry.group,
          (entry.methodsOverride ?? entry.methods ?? ['default']).join(' '),
          [
            entry.enabled ? '' : 'disabled',
            entry.mandatory ? 'mandatory' : '',
            entry.enabledByDefault ? '' : 'off by default',
          ]
            .filter(Boolean)
            .join(' '),
          entry.labels.join(' '),
        ]),
        'no templates yet; run "pg-herald templates sync"',
        { whole: ['template'], spare: ['switches', 'group'] },
      );
    }),
  );
}

function showCommand(): Command {
  return listing('show', 'One template in the database: its options, versions and text', 'templates show build-failed')
    .argument('<template>', 'name of a template in the database')
    .option('--text <version>', 'the text of this version; default the current one', positiveInteger)
    .action((name: string, options: CommonOptions & { text?: number }) =>
      withPool(options, async (pool) => {
        const template = await readTemplateHistory(pool, name);
        if (template === null) throw noTemplate(name);
        const { versions, ...fields } = template;
        const number = options.text ?? template.currentVersion;
        const shown = versions.find(({ version }) => version === number);
        if (shown === undefined)
          throw new UsageError(`no version ${number} of "${name}"; the newest is ${versions[0]?.version}`);
        if (options.json) return printJson(template);
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
          { whole: ['since (UTC)'], spare: ['labels'] },
        );
        print(`\n${color('bold', `Text of version ${number}`)}\n\n${shown.body.trimEnd()}`);
        for (const { label, url } of shown.actions) print(`\n[${label}](${url})`);
      }),
    );
}

function previewCommand(): Command {
  return command(
    'preview',
    "Render a template's example, as the recipient would get it. Needs no database",
    'templates preview workspace-deleted --html mail.html',
  )
    .argument('<template>', 'name of the template')
    .argument('[folder]', 'folder of .md files', defaultFolder)
    .option('--html <file>', 'write the HTML of the mail into a file')
    .action(async (name: string, folder: string, options: CommonOptions & { html?: string }) => {
      const { sources, issues } = await checked(folder);
      const source = sources.find((candidate) => candidate.name === name);
      if (source === undefined) {
        const own = issues.filter((issue) => issue.file.endsWith(`${name}.md`));
        if (own.length > 0) return refuse(own, options);
        throw new UsageError(
          `no template "${name}" in ${folder}; there are ${sources.map((candidate) => candidate.name).join(', ') || 'none'}`,
        );
      }
      const { content, email } = renderExample(source, readBrand());
      if (options.html) writeFileSync(options.html, email.html);
      if (options.json) return printJson({ content, email });
      print(`${color('bold', email.subject)}\n\n${email.text}`);
      if (options.html) printAside(`wrote ${options.html}`);
    });
}

async function checked(folder: string): Promise<{ sources: TemplateSource[]; issues: TemplateIssue[] }> {
  const { sources, issues } = await readTemplates(folder);
  return { sources, issues: [...issues, ...sources.flatMap((source) => checkTemplate(source))] };
}

function printIssues(issues: readonly TemplateIssue[]): void {
  for (const issue of issues)
    printAside(
      `${issue.path}: ${issue.severity === 'error' ? colorAside('red', 'error') : colorAside('yellow', 'warning')}: ${issue.message}`,
    );
}

function refuse(issues: readonly TemplateIssue[], options: CommonOptions, consequence = ''): never {
  if (options.json) printJson({ issues });
  printIssues(issues);
  const errors = issues.filter((issue) => issue.severity === 'error').length;
  printAside(`${errors} ${errors === 1 ? 'error' : 'errors'}${consequence}`);
  throw new Unsuccessful();
}
