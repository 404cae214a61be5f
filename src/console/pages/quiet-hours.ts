/** When a recipient may be reached, and the form that changes it. */
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { type EffectiveHours, quietHoursOf, setQuietHours } from '../../enqueue/quiet-hours.ts';
import { InvalidNotificationError } from '../../errors.ts';
import { parseWindow, windowText } from '../../operate/quiet-hours.ts';
import { actionForm, type Html, time } from '../elements.ts';
import { formOf } from '../input.ts';
import type { ConsoleEnv, PageContext, Services } from '../services.ts';
import { refusal } from './failure.ts';
import { finishAction } from './finish-action.ts';

/** Adds the action that changes a recipient's hours. */
export function addQuietHours(app: Hono<ConsoleEnv>, services: Services): void {
  app.post('/recipients/hours', (c) => changeHours(c, services));
}

const owners = { recipient: 'the hours of the recipient', tenant: 'the hours of the tenant', all: 'the hours for all' };

/** The section of a recipient. Hours of a tenant count for its messages only, so that they are not shown here. */
export async function hoursSection(c: PageContext, { pool, settings }: Services, id: string): Promise<Html> {
  const { rows } = await pool.query<{ zone: string | null }>(
    `SELECT recipient ->> 'timeZone' AS zone FROM herald.message WHERE recipient_id = $1
     ORDER BY created_at DESC, id DESC LIMIT 1`,
    [id],
  );
  const timeZone = rows[0]?.zone ?? null;
  const hours = await quietHoursOf(pool, { recipientId: id, ...(timeZone !== null && { timeZone }) });
  const form = c.get('operator').readOnly ? '' : hoursForm(c, `${settings.basePath}/recipients/hours`, { id, hours });
  return html`<h2>Quiet hours</h2>
<p>${hoursText(hours)}</p>
${form}`;
}

function hoursText({ scope, windows, timeZone, opensAt }: EffectiveHours): Html | string {
  if (scope === null || windows === null) return 'None: messages are sent at any time.';
  const state =
    opensAt.getTime() <= Date.now() ? 'Messages are sent now.' : html`Messages wait until ${time(opensAt)}.`;
  return html`May be reached ${windows.map(windowText).join('; ')} ${timeZone}, by ${owners[scope]}. ${state}`;
}

function hoursForm(
  c: PageContext,
  path: string,
  { id, hours }: { readonly id: string; readonly hours: EffectiveHours },
): Html {
  const isOwn = hours.scope === 'recipient' && hours.windows !== null;
  const value = isOwn ? (hours.windows?.map(windowText).join('; ') ?? '') : '';
  const fields = html`<input type="hidden" name="id" value="${id}">
<label for="windows">May be reached</label>
<input id="windows" name="windows" required maxlength="500" value="${value}"
  placeholder="mon-fri 08:00-20:00; sat,sun 10:00-18:00">
<button name="choice" value="set">Save</button>${
    isOwn ? html`<button name="choice" value="remove" formnovalidate>Remove</button>` : ''
  }`;
  return actionForm(c, path, fields, 'inline');
}

async function changeHours(c: PageContext, services: Services): Promise<Response> {
  const form = await formOf(c);
  const [id, choice, text] = [form('id'), form('choice'), form('windows') ?? ''];
  if (id === undefined || (choice !== 'set' && choice !== 'remove'))
    return refusal(c, services, 'Give a recipient, and what to do.');
  const windows = choice === 'remove' ? null : text.split(';').map(parseWindow);
  if (windows?.some((window) => window === null))
    return refusal(c, services, 'Write the hours as "mon-fri 08:00-20:00; sat,sun 10:00-18:00", or "always".');
  try {
    await setQuietHours(services.pool, {
      recipientId: id,
      windows: windows === null ? null : windows.filter((window) => window !== null),
    });
  } catch (error) {
    if (!(error instanceof InvalidNotificationError)) throw error;
    return refusal(c, services, error.issues.map(({ message }) => message).join(' '));
  }
  return finishAction(c, services, {
    // The recipient's id may be an address, so it is not recorded.
    audit: { action: `hours ${choice}`, subject: 'a recipient', why: form('why') ?? null },
    note: choice === 'set' ? 'Saved. Messages that wait follow the change.' : 'Removed. Other hours may apply.',
    to: `/recipients?id=${encodeURIComponent(id)}`,
  });
}
