/** What a recipient gets, by which rule, and their preferences. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { type EffectivePreference, preferencesOf, setPreference } from '../../enqueue/preferences.ts';
import { recordAudit } from '../../operate/audit.ts';
import { searchMessages } from '../../operate/search.ts';
import { leaveNote } from '../cookies.ts';
import { cleaned, formOf } from '../input.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { empty, formToken, type Html, page, table } from '../view.ts';
import { refusal } from './failure.ts';
import { messageRow, messageTable } from './message-table.ts';

const maxIdLength = 200;

export function addRecipients(app: Hono<ConsoleEnv>, services: Services): void {
  const { pool, settings } = services;
  const addressOf = (id: string) => `${settings.basePath}/recipients?id=${encodeURIComponent(id)}`;
  app.get('/recipients', async (c) => {
    const id = cleaned(c.req.query('id'), maxIdLength);
    const main = html`<h1>${id ?? 'Recipients'}</h1>
<form class="search" method="get" action="${settings.basePath}/recipients" role="search">
<div class="field grow"><label for="id">Recipient's id</label><input id="id" name="id" type="search" value="${id ?? ''}" maxlength="${maxIdLength}" autocomplete="off" autocapitalize="none" spellcheck="false" required data-shortcut="/"></div><button class="primary">Show</button></form>
${id === undefined ? empty('Enter the id that your application uses for a recipient, to see what they get and why.') : await about(c, services, id)}`;
    return page(c, services, { title: id ?? 'Recipients', section: 'recipients', main });
  });

  app.post('/recipients/preference', async (c) => {
    const form = await formOf(c);
    const [id, template, method, choice] = [form('id'), form('template'), form('method'), form('choice')];
    if (id === undefined || template === undefined || method === undefined || !isChoice(choice))
      return refusal(c, services, 'Give id, template, method and choice.');
    const enabled = choices[choice];
    await setPreference(pool, { recipientId: id, template, method, enabled });
    // The recipient's id may be an address, so it is not recorded.
    const detail = { method, choice };
    await recordAudit(pool, {
      actor: c.get('operator').name,
      action: 'preferences set',
      subject: template,
      why: form('why') ?? null,
      detail,
    });
    leaveNote(c, services, 'Saved. It applies to new messages and to those that are scheduled.');
    return c.redirect(addressOf(id), 303);
  });
}

const choices = { on: true, off: false, default: null } as const;

function isChoice(text: string | undefined): text is keyof typeof choices {
  return text !== undefined && Object.hasOwn(choices, text);
}

async function about(c: PageContext, services: Services, id: string): Promise<Html> {
  const { pool, settings } = services;
  const [preferences, recent] = await Promise.all([
    preferencesOf(pool, id),
    searchMessages(pool, { recipientId: id }, { limit: 5 }),
  ]);
  const rows = preferences.map((preference) => preferenceRow(c, settings.basePath, { id, preference }));
  const headings = [
    'Template',
    wide('Group'),
    'Method',
    'Receives it',
    wide('Decided by'),
    html`<th scope="col"><span class="hide">Choice</span></th>`,
  ];
  return html`<h2>Latest messages</h2>
${
  recent.lines.length === 0
    ? empty('No messages for this recipient.')
    : html`${messageTable(
        'Latest messages',
        recent.lines.map((line) => messageRow(services, line)),
      )}<p><a href="${settings.basePath}/messages?recipient=${encodeURIComponent(id)}">All messages</a></p>`
}
<h2>Preferences</h2>${rows.length === 0 ? empty('No templates yet.') : table('Preferences', headings, rows)}`;
}

const wide = (label: string) => html`<th scope="col" class="wide">${label}</th>`;

const rules: Readonly<Record<EffectivePreference['decidedBy'], string>> = {
  template_disabled: 'the template is disabled',
  method_disabled: 'the method is disabled',
  mandatory: 'the template is mandatory',
  preference: "the recipient's choice",
  default: "the template's default",
};

function preferenceRow(
  c: PageContext,
  base: string,
  { id, preference }: { readonly id: string; readonly preference: EffectivePreference },
): Html {
  const { template, group, method, enabled, mandatory, decidedBy } = preference;
  const fields = html`<input type="hidden" name="id" value="${id}"><input type="hidden" name="template" value="${template}"><input type="hidden" name="method" value="${method}">`;
  const button = (choice: keyof typeof choices, label: string) =>
    html`<button class="small" name="choice" value="${choice}">${label}<span class="hide"> ${template} by ${method}</span></button>`;
  const form = html`<form method="post" action="${base}/recipients/preference" class="row">${formToken(c)}${fields}${enabled ? button('off', 'Turn off') : button('on', 'Turn on')}${decidedBy === 'preference' ? button('default', 'Default') : ''}</form>`;
  return html`<tr><th scope="row"><a href="${base}/templates/${template}">${template}</a></th><td class="wide">${group}</td><td data-label="Method">${method}</td>
<td data-label="Receives it">${enabled ? html`<span class="status sent">yes</span>` : html`<span class="status cancelled">no</span>`}</td><td class="wide">${rules[decidedBy]}</td>
<td class="do">${c.get('operator').readOnly || mandatory ? '' : form}</td></tr>`;
}
