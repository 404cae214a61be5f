/** `/p/TOKEN`: which groups of messages the recipient receives, and by which methods. A GET changes nothing. */
import { html } from 'hono/html';
import { filled, filledText, type Html, type Page, type PageContext } from './document.ts';
import type { PageSettings } from './options.ts';
import { methodIn } from './page-language.ts';
import type { LinkSubject } from './token.ts';

/** One request to a link of this page. */
export interface PreferenceRequest {
  readonly subject: LinkSubject<'preferences'>;
  /** Null for a GET. */
  readonly form: FormData | null;
}

/** What a recipient receives of a group by a method. */
interface Cell {
  readonly group: string;
  readonly method: string;
  /** Whether all templates of the group are on, and whether one is. */
  readonly all: boolean;
  readonly some: boolean;
  /** Every template of the group is mandatory. */
  readonly mandatory: boolean;
}

// What an operator turned off for everybody is nobody's choice.
const readCells = `
SELECT template_group AS "group", method, bool_and(enabled) AS "all", bool_or(enabled) AS "some",
  bool_and(mandatory) AS mandatory
FROM (SELECT p.*, bool_or(NOT p.mandatory) OVER (PARTITION BY template_group, method) AS optional
  FROM herald.preferences($1) p WHERE p.decided_by NOT IN ('template_disabled', 'method_disabled')) q
WHERE NOT mandatory OR NOT optional
GROUP BY template_group, method ORDER BY template_group, method`;

const readStopped = 'SELECT method FROM herald.stopped_methods($1) ORDER BY method';

const setGroups = `
SELECT herald.set_group($1, c."group", c.method, c.enabled, 'link')
FROM jsonb_to_recordset($2) AS c ("group" text, method text, enabled boolean)`;

/** Stores what a form says, and returns the page with what applies then. Rejects when the database is away. */
export async function preferencePage(
  { subject, form }: PreferenceRequest,
  { pool }: PageSettings,
  context: PageContext,
): Promise<Page> {
  const { recipientId } = subject;
  const read = async (): Promise<State> => {
    const { rows: cells } = await pool.query<Cell>(readCells, [recipientId]);
    const { rows: stopped } = await pool.query<{ method: string }>(readStopped, [recipientId]);
    return { cells, stopped: stopped.map(({ method }) => method) };
  };
  const before = await read();
  if (form === null) return choices(before, false, context);
  if (form.get('action') === 'allow') await pool.query('SELECT herald.allow_again($1)', [recipientId]);
  else {
    const changes = changesOf(form, before.cells);
    if (changes === null) return { ...choices(before, false, context), status: 400 };
    if (changes.length > 0) await pool.query(setGroups, [recipientId, JSON.stringify(changes)]);
  }
  return choices(await read(), true, context);
}

/** What applies to a recipient now. */
interface State {
  readonly cells: readonly Cell[];
  /** Methods that send nothing to the recipient's address until they allow it. */
  readonly stopped: readonly string[];
}

interface Change {
  readonly group: string;
  readonly method: string;
  readonly enabled: boolean;
}

/** A box of the form: what it was about, whether it was shown as checked, and whether it is checked now. */
interface Box {
  readonly key: string;
  readonly before: boolean;
  readonly now: boolean;
}

/** Each box has a number, because some body parsers take one value of a name. */
function boxesOf(form: FormData): Box[] {
  return [...form].flatMap(([name, value]) => {
    const number = /^shown-(\d{1,5})$/.exec(name)?.[1];
    const [, state, key] = /^(on|off) (.+)$/s.exec(typeof value === 'string' ? value : '') ?? [];
    if (number === undefined || key === undefined) return [];
    return [{ key, before: state === 'on', now: form.has(`on-${number}`) }];
  });
}

/**
 * What the person changed in the form. What they left as it was shown stays as it is now, even if it was changed
 * elsewhere in the meantime. Null: this is not our form, so it must not turn anything off.
 */
function changesOf(form: FormData, cells: readonly Cell[]): Change[] | null {
  const boxes = new Map(boxesOf(form).map((box) => [box.key, box]));
  const optional = cells.filter(({ mandatory }) => !mandatory);
  if (boxes.size === 0 && optional.length > 0) return null;
  if (form.get('action') === 'off')
    return optional.filter(({ some }) => some).map(({ group, method }) => ({ group, method, enabled: false }));
  return optional.flatMap((cell) => {
    const box = boxes.get(keyOf(cell));
    if (box === undefined || box.before === box.now) return [];
    return [{ group: cell.group, method: cell.method, enabled: box.now }];
  });
}

/** How a cell is called in the form. Names of methods contain no space. */
const keyOf = ({ group, method }: Pick<Cell, 'group' | 'method'>) => `${method} ${group}`;

function choices({ cells, stopped }: State, saved: boolean, context: PageContext): Page {
  const { words, brand } = context;
  const groups = Map.groupBy(cells.entries(), ([, { group }]) => group);
  const note = saved ? html`<p class="note" role="status">${words.saved}</p>` : '';
  const form = html`<form method="post">
${[...groups].map(([group, ofGroup]) => groupFields(group, ofGroup, context))}
<div class="actions"><button type="submit" name="action" value="save">${words.save}</button>
<button type="submit" class="plain" name="action" value="off">${words.allOff}</button></div>
</form>`;
  return {
    status: 200,
    title: words.choose,
    main: html`${note}<h1>${words.choose}</h1>
<p>${filled(words.chooseText, { app: brand.appName })}</p>
${stopped.map((method) => stoppedNotice(method, context))}
${groups.size === 0 ? html`<p>${words.nothing}</p>` : form}`,
  };
}

function stoppedNotice(method: string, { words, brand }: PageContext): Html {
  const app = brand.appName;
  const text = filled(words.stopped, { app, method: filledText(methodIn(words, method), { app }) });
  return html`<form method="post" class="stopped"><p>${text}</p>
<button type="submit" name="action" value="allow">${words.allow}</button></form>`;
}

type NumberedCell = readonly [number: number, cell: Cell];

function groupFields(group: string, cells: readonly NumberedCell[], context: PageContext): Html {
  const fields = cells.map((cell) => field(cell, context));
  return html`<fieldset><legend><bdi>${group}</bdi></legend><div class="choices">${fields}</div></fieldset>`;
}

function field([number, cell]: NumberedCell, { words, brand }: PageContext): Html {
  const method = filled(methodIn(words, cell.method), { app: brand.appName });
  if (cell.mandatory)
    return html`<label><input type="checkbox" checked disabled> ${method}
<span class="hint">${words.alwaysOn}</span></label>`;
  const hint = cell.some && !cell.all ? html` <span class="hint">${words.partly}</span>` : '';
  return html`<label><input type="checkbox" name="on-${number}"${cell.some ? html` checked` : ''}>
${method}${hint}</label>
<input type="hidden" name="shown-${number}" value="${cell.some ? 'on' : 'off'} ${keyOf(cell)}">`;
}
