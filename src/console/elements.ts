/** The elements that pages are made of. `html` escapes every value. */
import { html } from 'hono/html';
import { meaningOf } from '../operate/reason-text.ts';
import type { MessageStatus, Reason } from '../vocabulary.ts';
import type { PageContext } from './services.ts';

/** Escaped HTML. */
export type Html = ReturnType<typeof html>;

const utc = (at: Date) => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** A point in time, to the second, with its zone. The script converts it to the reader's zone. */
export function time(at: Date | null): Html {
  if (at === null) return html`<span class="none">–</span>`;
  return html`<time datetime="${at.toISOString()}" title="${utc(at)}">${utc(at)}</time>`;
}

/** How long ago something happened. The title has the time with its zone; the script keeps the text current. */
export function relativeTime(at: Date): Html {
  const seconds = Math.round((Date.now() - at.getTime()) / 1000);
  const text = seconds < 1 ? 'just now' : `${duration(seconds)} ago`;
  return html`<time datetime="${at.toISOString()}" title="${utc(at)}" data-relative>${text}</time>`;
}

/** What each status, and each outcome of an attempt, means. */
const statusMeanings = {
  pending: 'waits to be sent',
  sending: 'is being sent',
  sent: 'the receiving side accepted it',
  failed: 'was given up',
  held: 'waits for an operator',
  inhibited: 'was not sent, for the reason beside it',
  cancelled: 'was stopped before it was sent',
  expired: 'was not sent in time',
  retry: 'will be tried again',
  unknown: 'it is not known whether it arrived',
} as const satisfies Readonly<Record<MessageStatus | 'retry' | 'unknown', string>>;

/** A status, with its reason in words. */
export function statusBadge(status: keyof typeof statusMeanings, reason?: Reason | null): Html {
  const words = reason ? html` <span class="reason">${meaningOf(reason)}</span>` : '';
  return html`<span class="status ${status}" title="${statusMeanings[status]}">${status}</span>${words}`;
}

/** A heading of a table: a text, or an element of its own. */
export type Heading = string | Html;

/**
 * A table that scrolls sideways, by keyboard too. On a phone each row becomes a card whose cells are labeled by
 * `data-label`, or with `lines` two lines, for many rows.
 */
export function table(
  label: string,
  headings: readonly Heading[],
  rows: readonly Html[],
  narrow: 'cards' | 'lines' = 'cards',
): Html {
  const cells = headings.map((one) => (typeof one === 'string' ? html`<th scope="col">${one}</th>` : one));
  return html`<div class="scroll ${narrow}" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${cells}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`;
}

/** The heading of a column of numbers. */
export const numberHeading = (label: string): Html => html`<th scope="col" class="num">${label}</th>`;
/** The heading of a column that narrow screens leave out. */
export const wideHeading = (label: string): Html => html`<th scope="col" class="wide">${label}</th>`;
/** A heading for screen readers only. */
export const hiddenHeading = (label: string): Html => html`<th scope="col"><span class="hide">${label}</span></th>`;

/** A form that acts: with the token that proves that it is ours. */
export function actionForm(c: PageContext, action: string, fields: Html, className = ''): Html {
  const token = html`<input type="hidden" name="form" value="${c.get('formToken')}">`;
  return html`<form method="post" action="${action}" class="${className}">${token}${fields}</form>`;
}

/** A form behind a button-like summary. */
export function disclosure(summary: string | Html, form: Html): Html {
  return html`<details class="act"><summary>${summary}</summary>${form}</details>`;
}

/** A form with one search field. */
export function searchForm(
  action: string,
  field: {
    readonly name: string;
    readonly label: string;
    readonly value: string | undefined;
    readonly button?: string;
    readonly placeholder?: string;
    readonly required?: boolean;
    readonly maxLength?: number;
  },
): Html {
  const { name, label, value = '', button = 'Search', placeholder = '', required = false, maxLength = 500 } = field;
  return html`<form class="search" method="get" action="${action}" role="search">
<div class="field grow"><label for="${name}">${label}</label><input id="${name}" name="${name}" type="search"
  value="${value}" placeholder="${placeholder}" maxlength="${maxLength}"${required ? html` required` : ''}
  autocomplete="off" autocapitalize="none" spellcheck="false" data-shortcut="/"></div>
<button class="primary">${button}</button></form>`;
}

/** A choice, as part of a form. */
export function select(
  name: string,
  options: readonly (readonly [value: string, label: string])[],
  { id = name, chosen = '' }: { readonly id?: string; readonly chosen?: string | undefined } = {},
): Html {
  return html`<select id="${id}" name="${name}">${options.map(
    ([value, label]) => html`<option value="${value}"${value === chosen ? html` selected` : ''}>${label}</option>`,
  )}</select>`;
}

/** A list of names and values; null leaves a line out. */
export function facts(rows: readonly (readonly [string, Html | string | null])[], className = ''): Html {
  return html`<dl class="facts ${className}">${rows
    .filter(([, value]) => value !== null)
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** One of several links, of which one is open. */
export interface Tab {
  readonly label: string;
  readonly href: string;
  readonly current: boolean;
}

/** Links that look like tabs: the address says which one is open. */
export function tabs(label: string, links: readonly Tab[]): Html {
  return html`<nav class="tabs" aria-label="${label}">${links.map(
    (link) => html`<a href="${link.href}"${link.current ? html` aria-current="true"` : ''}>${link.label}</a>`,
  )}</nav>`;
}

/** A text as it is, in a box that scrolls by keyboard too. */
export function sourceText(text: string): Html {
  return html`<pre class="source" tabindex="0">${text}</pre>`;
}

/** A secret on the only page that ever shows it. */
export function secretOnce(secret: string): Html {
  return html`<p class="lead">The receiver verifies calls with this secret. It is shown only now.</p>
${sourceText(secret)}`;
}

/** Takes the place of a list without entries. */
export function empty(text: string | Html): Html {
  return html`<p class="empty">${text}</p>`;
}

/** Text of our own, with its times and commands marked up. */
export function prose(text: string): Html {
  const parts = text.split(/(\d{4}-\d{2}-\d{2}T[\d:.]+Z|pg-herald [^",]+)/);
  return html`${parts.map((part, index) => (index % 2 === 0 ? part : markUp(part)))}`;
}

function markUp(part: string): Html | string {
  if (part.startsWith('pg-herald')) return html`<code>${part}</code>`;
  const at = new Date(part);
  return Number.isNaN(at.getTime()) ? part : time(at);
}

/** A duration in its largest fitting unit. */
export function duration(seconds: number): string {
  if (seconds < 1) return 'none';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

const number = new Intl.NumberFormat('en');

/** A number with its thousands separated. */
export function count(n: number): string {
  return number.format(n);
}

/** A number with its noun. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
