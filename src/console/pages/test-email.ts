/** Sends a template, with the values of its preview, to an address that an operator types in. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { PoolClient } from 'pg';
import * as v from 'valibot';
import { transaction } from '../../database/pool.ts';
import { createHerald, type EnqueuedMessage } from '../../enqueue/enqueue.ts';
import { InvalidNotificationError } from '../../errors.ts';
import { createSecretBox, labelSecrets } from '../../secrets.ts';
import { defineTemplate } from '../../templates/define.ts';
import { readTemplateHistory } from '../../templates/history.ts';
import type { JsonValue } from '../../vocabulary.ts';
import { actionForm, type Html } from '../elements.ts';
import { cleaned } from '../input.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction } from './finish-action.ts';
import { dataOf, type Sample, sampleOf } from './sample.ts';

/** Adds the action that sends a test email. */
export function addTestEmail(app: Hono<ConsoleEnv>, services: Services): void {
  app.post('/templates/:name/test', (c) => sendTest(c, services, c.req.param('name')));
}

/** The form below a preview: it sends what the preview shows. */
export function testForm(c: PageContext, path: string, { recipient, labels, data, tenant }: Sample): Html {
  if (c.get('operator').readOnly) return html``;
  const values = {
    ...Object.fromEntries(Object.entries(labels).map(([name, value]) => [`label.${name}`, value])),
    ...{ data, tenant, name: recipient.name ?? '', locale: recipient.locale ?? '', timeZone: recipient.timeZone ?? '' },
  };
  const fields = Object.entries(values).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
  const form = html`${fields}<label for="to">Send this to</label>
<input id="to" name="to" type="email" required maxlength="254" autocomplete="email" placeholder="you@example.com">
<button>Send a test</button>`;
  return actionForm(c, `${path}/test`, form, 'inline');
}

const noKey =
  'This template has secret labels, and this console has no key to encrypt them. Set HERALD_SECRET_KEY, or the ' +
  'option secretKeys.';

async function sendTest(c: PageContext, services: Services, name: string): Promise<Response> {
  const template = await readTemplateHistory(services.pool, name);
  const form = await c.req.parseBody();
  const read = (field: string) => (typeof form[field] === 'string' ? form[field] : undefined);
  const sample = template && sampleOf((field) => (field === 'version' ? undefined : read(field)), template);
  if (!sample) return c.notFound();
  const [to, parsed] = [cleaned(form['to']), dataOf(sample)];
  if (to === undefined) return refusal(c, services, 'Give the address that the test goes to.');
  if ('problem' in parsed) return refusal(c, services, parsed.problem);
  if (sample.version.secrets.length > 0 && services.settings.secretKeys.length === 0)
    return refusal(c, services, noKey);
  const { data } = parsed;
  try {
    const test = { name, sample, data, to, by: c.get('operator').name };
    const [message] = await transaction(services.pool, (client) => enqueueTest(client, services, test));
    const audit = { action: 'templates test', subject: name };
    return await finishAction(c, services, { audit, note: 'The test is on its way.', to: `/messages/${message?.id}` });
  } catch (error) {
    if (error instanceof InvalidNotificationError) return refusal(c, services, error.message);
    throw error;
  }
}

interface TestEmail {
  readonly name: string;
  readonly sample: Sample;
  readonly data: JsonValue;
  readonly to: string;
  readonly by: string;
}

/** Strict: a wrong address is refused, instead of becoming a message that is not sent. */
function enqueueTest(
  client: PoolClient,
  { settings: { secretKeys } }: Services,
  { name, sample: { recipient, labels, version, tenant }, data, to, by }: TestEmail,
): Promise<EnqueuedMessage[]> {
  const secrets = version.secrets.filter((label) => Object.hasOwn(labels, label));
  const template = defineTemplate({ name, labels: v.record(v.string(), v.string()), secrets });
  const encryption = secrets.length > 0 ? labelSecrets(createSecretBox(secretKeys)) : null;
  return createHerald(encryption === null ? {} : { encryptLabels: encryption.encryptLabels }).enqueue(
    client,
    template,
    {
      to: { ...recipient, id: to, email: to },
      labels,
      ...(data !== null && { data }),
      ...(tenant !== '' && { tenant }),
      methods: ['smtp'],
      strict: true,
      createdBy: `console ${by}`,
    },
  );
}
