/** Previews a template with its example or with values typed in, as each kind of receiver gets it. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { createDelivery } from '../../dispatch/delivery.ts';
import type { Delivery } from '../../dispatch/dispatcher.ts';
import type { FormatName } from '../../dispatch/webhook/formats/formats.ts';
import { showTenant } from '../../operate/tenants.ts';
import { chooseText, languageOf } from '../../templates/choose-text.ts';
import { renderEmail } from '../../templates/email.ts';
import { readTemplateHistory, type TemplateHistory } from '../../templates/history.ts';
import { brandOf, readBrandFields } from '../../tenants/tenant.ts';
import { rawMail, type Rendering, shownLinks, tryRender, webhookBody } from '../rendering.ts';
import { frameHeaders } from '../security.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { empty, type Html, select, sourceText, tabs } from '../elements.ts';
import { page } from '../layout.ts';
import { emailDocument, emailFrame } from './email-frame.ts';
import { dataOf, maxValueLength, type Sample, sampleOf } from './sample.ts';
import { testForm } from './test-email.ts';

const views = {
  html: 'HTML',
  text: 'Text',
  source: 'Source',
  standard: 'Webhook',
  slack: 'Slack',
  teams: 'Teams',
  discord: 'Discord',
  pagerduty: 'PagerDuty',
  ntfy: 'ntfy',
} as const;
type View = keyof typeof views;

/** When the example was enqueued. Fixed, so that a preview does not change between two views. */
const exampleTime = new Date('2026-01-15T09:30:00Z');
/** Adds the preview of a template. */
export function addPreview(app: Hono<ConsoleEnv>, services: Services): void {
  const load = async (c: PageContext, name: string): Promise<Omit<Previewed, 'path'> | null> => {
    const template = await readTemplateHistory(services.pool, name);
    const sample = template && sampleOf((field) => c.req.query(field), template);
    return template && sample && { template, sample };
  };
  app.get('/templates/:name/preview', async (c) => {
    const loaded = await load(c, c.req.param('name'));
    return loaded === null ? c.notFound() : previewPage(c, services, loaded);
  });
  app.get('/templates/:name/frame', frameHeaders, async (c) => {
    const loaded = await load(c, c.req.param('name'));
    if (loaded === null) return c.notFound();
    return emailDocument(c, await renderSample(services, loaded.template, loaded.sample));
  });
}

async function previewPage(
  c: PageContext,
  services: Services,
  { template, sample }: Omit<Previewed, 'path'>,
): Promise<Response> {
  const templates = `${services.settings.basePath}/templates`;
  const { name } = template;
  const path = `${templates}/${name}`;
  const main = html`<p class="crumbs"><a href="${templates}">Templates</a> / <a href="${path}">${name}</a></p>
<h1>Preview of ${name}</h1>
<div class="preview">${sampleForm(c, { path, template, sample })}
<section id="preview" aria-label="Preview">${await preview(c, services, { path, template, sample })}</section></div>`;
  return page(c, services, { title: `Preview of ${name}`, section: 'templates', main });
}

async function renderSample(
  services: Services,
  template: TemplateHistory,
  sample: Sample,
): Promise<Rendering | { readonly problem: string }> {
  const { version, labels } = sample;
  const { recipient, brand } = await asTenant(services, sample);
  const links = shownLinks(services.settings, template);
  const read = dataOf(sample);
  if ('problem' in read) return read;
  return tryRender(() => {
    const targets = ['example'];
    const content = services.render({
      template: version,
      recipient,
      labels,
      data: read.data,
      targets,
      brand,
      createdAt: exampleTime,
    });
    const delivery = createDelivery({
      messageId: '0199f3a0-7b1c-7000-8000-000000000000',
      method: 'preview',
      template: { name: template.name, version: version.version, group: template.group, mandatory: template.mandatory },
      labels: Object.fromEntries(Object.entries(labels).filter(([name]) => !version.secrets.includes(name))),
      data: read.data,
      createdAt: exampleTime,
      ...{ recipient, targets, content, brand, ...links },
    });
    return { delivery, email: renderEmail({ content, brand, createdAt: exampleTime, ...links }) };
  });
}

/** The brand of the tenant that was typed in, and what `enqueue` would write into the recipient. */
async function asTenant({ pool, settings }: Services, { tenant: id, recipient }: Sample) {
  const tenant = id === '' ? null : await showTenant(pool, id);
  if (tenant === null) return { recipient, brand: settings.brand };
  const { locale, timeZone, brand } = tenant;
  const defaults = { ...(locale !== null && { locale }), ...(timeZone !== null && { timeZone }) };
  return { recipient: { ...defaults, ...recipient }, brand: brandOf(settings.brand, readBrandFields(brand).own) };
}

interface Previewed {
  readonly path: string;
  readonly template: TemplateHistory;
  readonly sample: Sample;
}

function sampleForm(c: PageContext, { path, template, sample }: Previewed): Html {
  const { recipient, labels, version, tenant } = sample;
  const viewFields = ['view', 'width', 'scheme'].map((name) => {
    const value = c.req.query(name);
    return value === undefined ? '' : html`<input type="hidden" name="${name}" value="${value}">`;
  });
  const versions = template.versions.map((one) => {
    const text = String(one.version);
    return [text, one.version === template.currentVersion ? `${text} (current)` : text] as const;
  });
  const hint = 'This template has no example, so each label shows its own name.';
  return html`<form method="get" action="${path}/preview" data-preview="preview">${viewFields}
<label>Version ${select('version', versions, { chosen: String(version.version) })}</label>
${languageChoice(sample)}
${Object.entries(labels).map(([name, value]) => sampleField(`label.${name}`, name, value))}
<label>Data (JSON)
<textarea name="data" rows="4" maxlength="${maxValueLength}" spellcheck="false">${sample.data}</textarea></label>
${sampleField('name', 'Recipient', recipient.name ?? '')}
${sampleField('locale', 'Locale', recipient.locale ?? '')}
${sampleField('timeZone', 'Time zone', recipient.timeZone ?? '')}
${sampleField('tenant', 'Tenant', tenant)}
<button>Show</button>
${template.example === null ? html`<p class="hint">${hint}</p>` : ''}
</form>`;
}

/** The languages of the version, if it has several. */
function languageChoice({ version, recipient }: Sample): Html | string {
  const { texts } = version;
  if (!texts || texts.length === 0) return '';
  const languages = [version, ...texts].map(languageOf).map((language) => [language, language] as const);
  const chosen = languageOf(chooseText(version, recipient.locale));
  return html`<label>Language ${select('language', languages, { chosen })}</label>`;
}

function sampleField(name: string, label: string, value: string): Html {
  if (value.length > 60 || value.includes('\n'))
    return html`<label>${label}
<textarea name="${name}" rows="3" maxlength="${maxValueLength}">${value}</textarea></label>`;
  return html`<label>${label} <input name="${name}" value="${value}" maxlength="${maxValueLength}"
  autocomplete="off" spellcheck="false"></label>`;
}

async function preview(c: PageContext, services: Services, previewed: Previewed): Promise<Html> {
  const { path, template, sample } = previewed;
  const query = new URLSearchParams(c.req.query());
  query.delete('view');
  const rest = query.toString();
  const view = (Object.keys(views) as View[]).find((name) => name === c.req.query('view')) ?? 'html';
  const links = (Object.keys(views) as View[]).map((name) => ({
    label: views[name],
    href: `${path}/preview?view=${name}${rest === '' ? '' : `&${rest}`}`,
    current: name === view,
  }));
  const rendered = await renderSample(services, template, sample);
  const content =
    'problem' in rendered ? empty(rendered.problem) : await renderView(view, { c, services, rendered, path, rest });
  const mayTest = !('problem' in rendered) && sample.version.version === template.currentVersion;
  return html`${tabs('As', links)}${content}${mayTest ? testForm(c, path, sample) : ''}`;
}

interface ViewContext {
  readonly c: PageContext;
  readonly services: Services;
  readonly rendered: Rendering;
  readonly path: string;
  readonly rest: string;
}

async function renderView(view: View, { c, services, rendered, path, rest }: ViewContext): Promise<Html> {
  const { delivery, email } = rendered;
  const subject = html`<p class="lead"><span class="hint">Title</span> <strong>${delivery.content.title}</strong></p>`;
  if (view === 'html') return html`${subject}${sampleFrame(c, path, rest)}`;
  if (view === 'text') return html`${subject}${sourceText(email.text)}`;
  if (view === 'source') return sourceText((await rawMail(services, delivery)) ?? '');
  return asCall(view, delivery);
}

function sampleFrame(c: PageContext, path: string, rest: string): Html {
  const query = new URLSearchParams(rest);
  query.delete('width');
  query.delete('scheme');
  const sample = query.toString();
  const page = `${path}/preview?view=html${sample === '' ? '' : `&${sample}`}`;
  return emailFrame(c, {
    source: `${path}/frame?${sample}`,
    page,
    anchor: 'preview',
    title: 'The template as an email',
  });
}

function asCall(format: FormatName, delivery: Delivery): Html {
  const { title, text, actions } = delivery.content;
  const links = actions.map(({ label, url }) => html`<br><a href="${url}" rel="noreferrer">${label}</a>`);
  const post = html`<div class="chat"><strong>${title}</strong>
${text}
${links}</div>`;
  return html`${format === 'standard' ? '' : post}${sourceText(webhookBody(delivery, format))}`;
}
