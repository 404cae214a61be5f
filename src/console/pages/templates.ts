/** Templates: the list, one with its versions, and what changed between two versions. */
import { diffLines } from 'diff';
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { recordAudit } from '../../operate/audit.ts';
import { setTemplateEnabled } from '../../operate/enablement.ts';
import { type CatalogEntry, listTemplates } from '../../templates/catalog.ts';
import { readTemplateHistory, type TemplateHistory, type TemplateVersion } from '../../templates/history.ts';
import { leaveNote } from '../cookies.ts';
import { cleaned, formOf } from '../input.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { age, empty, formToken, type Html, page, table, time } from '../view.ts';

export function addTemplates(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  app.get('/templates', async (c) => {
    const all = await listTemplates(pool);
    const headings = ['Template', num('Version'), 'Group', 'Methods', 'State', 'Labels', 'Changed'];
    const main = html`<h1>Templates</h1>${
      all.length === 0
        ? empty(html`No templates yet. Run <code>pg-herald templates sync</code> to store the files of a folder.`)
        : table(
            'Templates',
            headings,
            all.map((entry) => templateRow(settings.basePath, entry)),
          )
    }`;
    return page(c, services, { title: 'Templates', section: 'templates', main });
  });

  app.get('/templates/:name', async (c) => {
    const template = await readTemplateHistory(pool, c.req.param('name'));
    if (template === null) return c.notFound();
    const main = html`<p class="crumbs"><a href="${settings.basePath}/templates">Templates</a></p><h1>${template.name}</h1>
${actions(c, services, template)}${facts(template)}
<h2>Versions</h2>${versionTable(settings.basePath, template)}
${comparison(template, { from: Number(cleaned(c.req.query('from'))), to: Number(cleaned(c.req.query('to'))) })}`;
    return page(c, services, { title: template.name, section: 'templates', main });
  });

  app.post('/templates/:name/:action{enable|disable}', async (c) => {
    const { name, action } = c.req.param();
    const why = (await formOf(c))('why') ?? null;
    const enabled = action === 'enable';
    if (!(await setTemplateEnabled(pool, name, enabled))) return c.notFound();
    await recordAudit(pool, {
      actor: c.get('operator').name,
      action: 'templates set',
      subject: name,
      why,
      detail: { enabled },
    });
    leaveNote(c, services, enabled ? `${name} is enabled.` : `${name} is disabled: its messages are inhibited.`);
    return c.redirect(`${settings.basePath}/templates/${name}`, 303);
  });
}

const num = (label: string) => html`<th scope="col" class="num">${label}</th>`;

function templateRow(base: string, entry: CatalogEntry): Html {
  const methods = entry.methodsOverride ?? entry.methods;
  return html`<tr>
<th scope="row"><a href="${base}/templates/${entry.name}">${entry.name}</a></th>
<td class="num" data-label="Version">${entry.version}</td><td data-label="Group">${entry.group}</td><td data-label="Methods">${methods?.join(', ') ?? 'default'}</td>
<td data-label="State">${stateOf(entry)}</td>
<td class="cut" data-label="Labels">${entry.labels.map((label) => html`<code>${label}</code>${entry.secrets.includes(label) ? ' (secret)' : ''} `)}</td>
<td data-label="Changed">${time(entry.updatedAt)}</td></tr>`;
}

function stateOf(entry: Pick<CatalogEntry, 'enabled' | 'mandatory' | 'enabledByDefault'>): Html {
  const words = [entry.mandatory ? 'mandatory' : '', entry.enabledByDefault ? '' : 'off by default'].filter(Boolean);
  const badge = entry.enabled
    ? html`<span class="status sent">in use</span>`
    : html`<span class="status failed">disabled</span>`;
  return html`${badge} <span class="reason">${words.join(', ')}</span>`;
}

function facts(template: TemplateHistory): Html {
  const { group, kind, currentVersion, methods, methodsOverride, ttlSeconds, unknown, sender } = template;
  const rows = [
    ['State', stateOf(template)],
    ['Group', group],
    ['Kind', kind],
    ['Version', String(currentVersion)],
    [
      'Methods',
      methodsOverride ? `${methodsOverride.join(', ')} (an operator's choice)` : (methods?.join(', ') ?? 'default'),
    ],
    ['Expires', ttlSeconds === null ? 'never' : `after ${age(ttlSeconds)}`],
    ['When unknown', unknown === 'hold' ? 'hold for an operator' : 'send again'],
    ...(sender === null ? [] : [['Sender', sender] as const]),
  ] as const;
  return html`<dl class="facts narrow-facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function actions(c: PageContext, { settings }: Services, { name, enabled }: TemplateHistory): Html {
  const path = `${settings.basePath}/templates/${name}`;
  const action = enabled ? 'disable' : 'enable';
  const form = html`<details class="act"><summary>${enabled ? 'Disable…' : 'Enable…'}</summary><form method="post" action="${path}/${action}" class="inline">${formToken(c)}
<label for="why">Why</label><input id="why" name="why" maxlength="300"${enabled ? html` required` : ''}><button class="${enabled ? 'danger' : 'primary'}">${enabled ? 'Disable' : 'Enable'}</button></form></details>`;
  return html`<div class="bulk"><a class="button" href="${path}/preview">Preview</a> <a class="button" href="${settings.basePath}/messages?template=${name}">Its messages</a> ${c.get('operator').readOnly ? '' : form}</div>`;
}

function versionTable(base: string, { name, versions, currentVersion }: TemplateHistory): Html {
  const rows = versions.map(({ version, createdAt, title }) => {
    const before = versions.find((other) => other.version < version);
    return html`<tr><th scope="row" class="num" data-label="Version">${version}</th><td data-label="Since">${time(createdAt)}</td><td class="reply" data-label="Title">${title}${version === currentVersion ? html` <span class="status sent">current</span>` : ''}</td>
<td data-label="Changes">${before ? html`<a href="${base}/templates/${name}?from=${before.version}&amp;to=${version}#changes">Changes<span class="hide"> from ${before.version} to ${version}</span></a>` : html`<span class="none">first</span>`}</td>
<td data-label="Preview"><a href="${base}/templates/${name}/preview?version=${version}">Preview<span class="hide"> of version ${version}</span></a></td></tr>`;
  });
  return table('Versions', [num('Version'), 'Since', 'Title', 'Changes', 'Preview'], rows);
}

function comparison({ versions }: TemplateHistory, { from, to }: { readonly from: number; readonly to: number }): Html {
  const [newest] = versions;
  const after = versions.find(({ version }) => version === to) ?? newest;
  if (after === undefined) return html``;
  const before = versions.find(({ version }) => version === from);
  if (before === undefined)
    return html`<h2 id="changes">Text of version ${after.version}</h2><pre class="source" tabindex="0">${textOf(after)}</pre>`;
  return html`<h2 id="changes">Changes from version ${before.version} to ${after.version}</h2>${differences(compareLines(textOf(before), textOf(after)))}`;
}

/** The text of the file without the options, which have no versions. */
function textOf({ title, actions: buttons, body }: TemplateVersion): string {
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
  return html`<pre class="diff" tabindex="0">${lines.map(({ kind, text }) =>
    kind === 'same'
      ? html`<span>${text}</span>`
      : kind === 'added'
        ? html`<ins>${text}</ins>`
        : html`<del>${text}</del>`,
  )}</pre>`;
}
