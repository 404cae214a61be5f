/** What a recipient gets, by which rule, and their preferences. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { type EffectivePreference, preferencesOf, setPreference } from '../../enqueue/preferences.ts';
import { searchMessages } from '../../operate/search.ts';
import { actionForm, empty, hiddenHeading, type Html, searchForm, table, wideHeading } from '../elements.ts';
import { cleaned, formOf } from '../input.ts';
import { page } from '../layout.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction } from './finish-action.ts';
import { messageRow, messageTable } from './message-table.ts';

const maxIdLength = 200;

/** Adds the page of one recipient and the action that changes a preference. */
export function addRecipients(app: Hono<ConsoleEnv>, services: Services): void {
  app.get('/recipients', (c) => recipientPage(c, services));
  app.post('/recipients/preference', (c) => changePreference(c, services));
}

async function recipientPage(c: PageContext, services: Services): Promise<Response> {
  const id = cleaned(c.req.query('id'), maxIdLength);
  const field = { name: 'id', label: "Recipient's id", value: id, button: 'Show', required: true };
  const invitation = 'Enter the id that your application uses for a recipient, to see what they get and why.';
  const main = html`<h1>${id ?? 'Recipients'}</h1>
${searchForm(`${services.settings.basePath}/recipients`, { ...field, maxLength: maxIdLength })}
${id === undefined ? empty(invitation) : await latestMessages(services, id)}
${id === undefined ? '' : await preferences(c, services, id)}`;
  return page(c, services, { title: id ?? 'Recipients', section: 'recipients', main });
}

async function changePreference(c: PageContext, services: Services): Promise<Response> {
  const form = await formOf(c);
  const [id, template, method, choice] = [form('id'), form('template'), form('method'), form('choice')];
  const enabled = choices.get(choice ?? '');
  if (id === undefined || template === undefined || method === undefined || enabled === undefined)
    return refusal(c, services, 'Give id, template, method and choice.');
  await setPreference(services.pool, { recipientId: id, template, method, enabled });
  // The recipient's id may be an address, so it is not recorded.
  const detail = { method, choice: choice ?? '' };
  return finishAction(c, services, {
    audit: { action: 'preferences set', subject: template, why: form('why') ?? null, detail },
    note: 'Saved. It applies to new messages and to those that are scheduled.',
    to: `/recipients?id=${encodeURIComponent(id)}`,
  });
}

const choices = new Map<string, boolean | null>([
  ['on', true],
  ['off', false],
  ['default', null],
]);

async function latestMessages(services: Services, id: string): Promise<Html> {
  const recent = await searchMessages(services.pool, { recipientId: id }, { limit: 5 });
  const rows = recent.lines.map((line) => messageRow(services, line));
  const all = `${services.settings.basePath}/messages?recipient=${encodeURIComponent(id)}`;
  const content =
    rows.length === 0
      ? empty('No messages for this recipient.')
      : html`${messageTable('Latest messages', rows)}<p><a href="${all}">All messages</a></p>`;
  return html`<h2>Latest messages</h2>
${content}`;
}

const preferenceHeadings = [
  'Template',
  wideHeading('Group'),
  'Method',
  'Receives it',
  wideHeading('Decided by'),
  hiddenHeading('Choice'),
];

async function preferences(c: PageContext, services: Services, id: string): Promise<Html> {
  const rows = (await preferencesOf(services.pool, id)).map((preference) =>
    preferenceRow(c, services.settings.basePath, { id, preference }),
  );
  return html`
<h2>Preferences</h2>${rows.length === 0 ? empty('No templates yet.') : table('Preferences', preferenceHeadings, rows)}`;
}

const rules: Readonly<Record<EffectivePreference['decidedBy'], string>> = {
  template_disabled: 'the template is disabled',
  method_disabled: 'the method is disabled',
  mandatory: 'the template is mandatory',
  preference: "the recipient's choice",
  default: "the template's default",
};

interface RecipientPreference {
  readonly id: string;
  readonly preference: EffectivePreference;
}

function preferenceRow(c: PageContext, base: string, { id, preference }: RecipientPreference): Html {
  const { template, group, method, enabled, mandatory, decidedBy } = preference;
  const badge = enabled ? html`<span class="status sent">yes</span>` : html`<span class="status cancelled">no</span>`;
  const form = c.get('operator').readOnly || mandatory ? '' : preferenceForm(c, base, { id, preference });
  return html`<tr><th scope="row"><a href="${base}/templates/${template}">${template}</a></th>
<td class="wide">${group}</td><td data-label="Method">${method}</td>
<td data-label="Receives it">${badge}</td><td class="wide">${rules[decidedBy]}</td>
<td class="do">${form}</td></tr>`;
}

function preferenceForm(c: PageContext, base: string, { id, preference }: RecipientPreference): Html {
  const { template, method, enabled, decidedBy } = preference;
  const field = (name: string, value: string) => html`<input type="hidden" name="${name}" value="${value}">`;
  const button = (choice: string, label: string) => html`<button class="small" name="choice" value="${choice}">${label}
<span class="hide"> ${template} by ${method}</span></button>`;
  const fields = html`${field('id', id)}${field('template', template)}${field('method', method)}
${enabled ? button('off', 'Turn off') : button('on', 'Turn on')}${
  decidedBy === 'preference' ? button('default', 'Default') : ''
}`;
  return actionForm(c, `${base}/recipients/preference`, fields, 'row');
}
