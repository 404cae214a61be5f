/** Templates: the list, one with its versions, and what changed between two versions. */
import { diffLines } from 'diff';
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { setTemplateEnabled } from '../../operate/enablement.ts';
import { type LanguageText, languageOf } from '../../templates/choose-text.ts';
import { type CatalogEntry, listTemplates } from '../../templates/catalog.ts';
import { stepText } from '../../templates/steps.ts';
import { readTemplateHistory, type TemplateHistory, type TemplateVersion } from '../../templates/history.ts';
import {
  actionForm,
  disclosure,
  duration,
  empty,
  facts,
  type Html,
  numberHeading,
  sourceText,
  table,
  time,
} from '../elements.ts';
import { cleaned, formOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { finishAction } from './finish-action.ts';

/** Adds the pages of templates and their actions. */
export function addTemplates(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/templates', (c) => templatesPage(c, services));
  app.get('/templates/:name', (c) => templatePage(c, services, c.req.param('name')));
  app.post('/templates/:name/enable', (c) => setEnabled(c, services, { name: c.req.param('name'), enabled: true }));
  app.post('/templates/:name/disable', (c) => setEnabled(c, services, { name: c.req.param('name'), enabled: false }));
}

const listHeadings = ['Template', numberHeading('Version'), 'Group', 'Methods', 'State', 'Labels', 'Changed'];

async function templatesPage(c: PageContext, services: Services): Promise<Response> {
  const rows = (await listTemplates(services.pool)).map((entry) => templateRow(services.settings.basePath, entry));
  const none = html`No templates yet. Run <code>pg-herald templates sync</code> to store the files of a folder.`;
  const main = html`<h1>Templates</h1>${rows.length === 0 ? empty(none) : table('Templates', listHeadings, rows)}`;
  return page(c, services, { title: 'Templates', section: 'templates', main });
}

async function templatePage(c: PageContext, services: Services, name: string): Promise<Response> {
  const template = await readTemplateHistory(services.pool, name);
  if (template === null) return c.notFound();
  const base = services.settings.basePath;
  const compared = { from: Number(cleaned(c.req.query('from'))), to: Number(cleaned(c.req.query('to'))) };
  const main = html`<p class="crumbs"><a href="${base}/templates">Templates</a></p><h1>${template.name}</h1>
${actions(c, base, template)}${facts(templateFacts(template), 'narrow-facts')}
<h2>Versions</h2>${versionTable(base, template)}
${comparison(template, compared)}`;
  return page(c, services, { title: template.name, section: 'templates', main });
}

async function setEnabled(
  c: PageContext,
  services: Services,
  { name, enabled }: { readonly name: string; readonly enabled: boolean },
): Promise<Response> {
  const why = (await formOf(c))('why') ?? null;
  if (!(await setTemplateEnabled(services.pool, name, enabled))) return c.notFound();
  return finishAction(c, services, {
    audit: { action: 'templates set', subject: name, why, detail: { enabled } },
    note: enabled ? `${name} is enabled.` : `${name} is disabled: nothing is sent with it until it is enabled.`,
    to: `/templates/${name}`,
  });
}

function templateRow(base: string, entry: CatalogEntry): Html {
  const methods = entry.methodsOverride ?? entry.methods;
  const labels = entry.labels.map(
    (label) => html`<code>${label}</code>${entry.secrets.includes(label) ? ' (secret)' : ''} `,
  );
  return html`<tr class="go">
<th scope="row"><a href="${base}/templates/${entry.name}">${entry.name}</a></th>
<td class="num" data-label="Version">${entry.version}</td><td data-label="Group">${entry.group}</td>
<td data-label="Methods">${methods?.join(', ') ?? 'default'}</td>
<td data-label="State">${stateOf(entry)}</td>
<td class="cut" data-label="Labels">${labels}</td>
<td data-label="Changed">${time(entry.updatedAt)}</td></tr>`;
}

function stateOf(entry: Pick<CatalogEntry, 'enabled' | 'mandatory' | 'enabledByDefault'>): Html {
  const words = [entry.mandatory ? 'mandatory' : '', entry.enabledByDefault ? '' : 'off by default'].filter(Boolean);
  const badge = entry.enabled
    ? html`<span class="status sent">in use</span>`
    : html`<span class="status failed">disabled</span>`;
  return html`${badge} <span class="reason">${words.join(', ')}</span>`;
}

function templateFacts(template: TemplateHistory): (readonly [string, Html | string | null])[] {
  const { group, kind, currentVersion, methods, methodsOverride, ttlSeconds, unknown, sender, guard, steps } = template;
  const chosen = methodsOverride && `${methodsOverride.join(', ')} (an operator's choice)`;
  return [
    ['State', stateOf(template)],
    ['Group', group],
    ['Kind', kind],
    ['Version', String(currentVersion)],
    ['Languages', languagesOf(template)],
    ['Methods', chosen ?? methods?.join(', ') ?? 'default'],
    ['Expires', ttlSeconds === null ? 'never' : `after ${duration(ttlSeconds)}`],
    [
      'When in doubt',
      unknown === 'hold' ? 'it waits for an operator' : 'it is sent again, so a second copy is possible',
    ],
    ['Sender', sender],
    ['Guard', guard],
    ['Then', steps && html`${steps.map((step) => html`${stepText(step)}<br>`)}`],
  ];
}

function languagesOf({ versions, currentVersion }: TemplateHistory): string {
  const current = versions.find(({ version }) => version === currentVersion);
  return current === undefined ? '' : [current, ...(current.texts ?? [])].map(languageOf).join(', ');
}

function actions(c: PageContext, base: string, { name, enabled }: TemplateHistory): Html {
  const path = `${base}/templates/${name}`;
  const [action, label, style] = enabled ? ['disable', 'Disable', 'danger'] : ['enable', 'Enable', 'primary'];
  const fields = html`<label for="why">Why</label>
<input id="why" name="why" maxlength="300"${enabled ? html` required` : ''}><button class="${style}">${label}</button>`;
  const form = disclosure(`${label}…`, actionForm(c, `${path}/${action}`, fields, 'inline'));
  return html`<div class="bulk"><a class="button" href="${path}/preview">Preview</a>
<a class="button" href="${base}/messages?template=${name}">Its messages</a>
${c.get('operator').readOnly ? '' : form}</div>`;
}

const versionHeadings = [numberHeading('Version'), 'Since', 'Title', 'Changes', 'Preview'];

function versionTable(base: string, template: TemplateHistory): Html {
  return table(
    'Versions',
    versionHeadings,
    template.versions.map((version) => versionRow(base, template, version)),
  );
}

function versionRow(
  base: string,
  { name, versions, currentVersion }: TemplateHistory,
  { version, createdAt, title }: TemplateVersion,
): Html {
  const path = `${base}/templates/${name}`;
  const before = versions.find((other) => other.version < version)?.version;
  const changes =
    before === undefined
      ? html`<span class="none">first</span>`
      : html`<a href="${path}?from=${before}&amp;to=${version}#changes">Changes<span
class="hide"> from ${before} to ${version}</span></a>`;
  return html`<tr><th scope="row" class="num" data-label="Version">${version}</th>
<td data-label="Since">${time(createdAt)}</td>
<td class="reply" data-label="Title">${title}${
    version === currentVersion ? html` <span class="status sent">current</span>` : ''
  }</td>
<td data-label="Changes">${changes}</td>
<td data-label="Preview"><a href="${path}/preview?version=${version}">Preview<span
class="hide"> of version ${version}</span></a></td></tr>`;
}

function comparison({ versions }: TemplateHistory, { from, to }: { readonly from: number; readonly to: number }): Html {
  const [newest] = versions;
  const after = versions.find(({ version }) => version === to) ?? newest;
  if (after === undefined) return html``;
  const before = versions.find(({ version }) => version === from);
  if (before === undefined || before === after)
    return html`<h2 id="changes">Text of version ${after.version}</h2>${sourceText(textOf(after))}`;
  return html`<h2 id="changes">Changes from version ${before.version} to ${after.version}</h2>
${differences(compareLines(textOf(before), textOf(after)))}`;
}

/** The texts of the files without the options, which have no versions. */
function textOf(version: TemplateVersion): string {
  const further = (version.texts ?? []).map((text) => `\n=== ${languageOf(text)} ===\n${textIn(text)}`);
  return [textIn(version), ...further].join('\n');
}

function textIn({ title, actions: buttons, body }: LanguageText): string {
  return [`title: ${title}`, ...buttons.map(({ label, url }) => `action: ${label} -> ${url}`), '---', body].join('\n');
}

/** Texts that differ in more lines are shown as replaced. */
const maxDifferences = 2000;

interface DiffLine {
  readonly kind: 'same' | 'added' | 'removed';
  readonly text: string;
}

/** The differences of two texts, line by line. */
export function compareLines(before: string, after: string): DiffLine[] {
  const parts = diffLines(`${before}\n`, `${after}\n`, { maxEditLength: maxDifferences }) ?? [
    { value: before, added: false, removed: true },
    { value: after, added: true, removed: false },
  ];
  return parts.flatMap(({ value, added, removed }) => {
    const kind = added ? 'added' : removed ? 'removed' : 'same';
    return value
      .replace(/\n$/, '')
      .split('\n')
      .map((text) => ({ kind, text }) as const);
  });
}

function differences(lines: readonly DiffLine[]): Html {
  const line = ({ kind, text }: DiffLine) => {
    if (kind === 'same') return html`<span>${text}</span>`;
    return kind === 'added' ? html`<ins>${text}</ins>` : html`<del>${text}</del>`;
  };
  return html`<pre class="diff" tabindex="0">${lines.map(line)}</pre>`;
}
