/** A bar chart as inline SVG, without a script or style attribute. The style sheet colors its parts by class. */
import { html } from 'hono/html';
import type { ThroughputSpan, Period } from '../operate/throughput.ts';
import { count, type Html } from './elements.ts';

/** From bottom to top. */
const parts = ['sent', 'other', 'waiting', 'failed'] as const;
type Part = (typeof parts)[number];
type Bar = Readonly<Record<Part, number>>;

const width = 600;
const height = 132;
const baseline = height - 18;

/** What a chart shows. */
export interface ChartOptions {
  readonly title: string;
  readonly span: ThroughputSpan;
  readonly now: Date;
}

/** Draws one bar per period. Null: the numbers are still being read. */
export function chart(periods: readonly Period[] | null, { title, span, now }: ChartOptions): Html {
  if (periods === null) return figure(title, html`<p class="empty">Counting…</p>`);
  const bars = barsOf(periods, span, now);
  const totals = sum(bars.map(({ bar }) => bar));
  const all = total(totals);
  if (all === 0)
    return figure(html`${title} <span class="total">0</span>`, html`<p class="empty">Nothing was enqueued.</p>`);
  const max = Math.max(...bars.map(({ bar }) => total(bar)), 1);
  const step = width / span.periods;
  const summary = `${count(all)} enqueued: ${parts.map((part) => `${count(totals[part])} ${part}`).join(', ')}`;
  const drawn = bars.map(({ at, bar }, index) => {
    if (total(bar) === 0) return '';
    return drawBar(bar, { x: index * step, step, max, title: `${clock(at)} UTC: ${describe(bar)}` });
  });
  return figure(
    html`${title} <span><span class="total">${count(all)}</span> · peak ${count(max)}</span>`,
    html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}. ${summary}" preserveAspectRatio="none">
<line class="axis" x1="0" x2="${width}" y1="${baseline + 0.5}" y2="${baseline + 0.5}"/>
${drawn}
</svg>
<p class="scale"><span>${ago(span)} ago</span><span>now</span></p>
${legend(totals)}`,
  );
}

function figure(caption: string | Html, content: Html): Html {
  return html`<figure class="chart"><figcaption>${caption}</figcaption>${content}</figure>`;
}

function legend(totals: Bar): Html {
  const label = (part: Part) => (part === 'other' ? 'not sent by a rule' : part);
  return html`<p class="legend">${parts.map(
    (part) => html`<span class="key ${part}">${label(part)} ${count(totals[part])}</span> `,
  )}</p>`;
}

interface BarPosition {
  readonly x: number;
  readonly step: number;
  readonly max: number;
  readonly title: string;
}

function drawBar(bar: Bar, { x, step, max, title }: BarPosition): Html {
  let top = baseline;
  const left = round(x + step * 0.12);
  const boxes = parts.map((part) => {
    if (bar[part] === 0) return '';
    // A single failure among thousands must stay visible.
    const boxHeight = Math.max((bar[part] / max) * (baseline - 6), 1.5);
    top -= boxHeight;
    return html`<rect class="${part}" x="${left}" y="${round(top)}" width="${round(step * 0.76)}"
  height="${round(boxHeight)}"/>`;
  });
  return html`<g><title>${title}</title>${boxes}</g>`;
}

function barsOf(periods: readonly Period[], { periods: length, periodSeconds }: ThroughputSpan, now: Date) {
  const slot = (at: Date) => Math.floor(at.getTime() / 1000 / periodSeconds);
  const bySlot = Map.groupBy(periods, (period) => slot(period.at));
  return Array.from({ length }, (_, index) => {
    const number = slot(now) - length + 1 + index;
    return { at: new Date(number * periodSeconds * 1000), bar: sum(bySlot.get(number) ?? []) };
  });
}

function sum(bars: readonly Bar[]): Bar {
  const of = (part: Part) => bars.reduce((n, bar) => n + bar[part], 0);
  return { sent: of('sent'), other: of('other'), waiting: of('waiting'), failed: of('failed') };
}

const total = (bar: Bar) => parts.reduce((n, part) => n + bar[part], 0);
const round = (n: number) => Math.round(n * 100) / 100;
const clock = (at: Date) => at.toISOString().slice(11, 16);

function describe(bar: Bar): string {
  return parts
    .filter((part) => bar[part] > 0)
    .map((part) => `${count(bar[part])} ${part}`)
    .join(', ');
}

function ago({ periods, periodSeconds }: ThroughputSpan): string {
  const hours = (periods * periodSeconds) / 3600;
  return hours === 1 ? '1 hour' : `${hours} hours`;
}
