/** What `templates check` says of one template: everything that can be told without sending it. */
import type { Brand, RenderedContent } from '../vocabulary.ts';
import { type Email, renderEmail } from './email.ts';
import { type LabelUse, labelUses, requiredAndOptional } from './labels.ts';
import { suggestion } from './nearest.ts';
import { parseSyntax } from './parse.ts';
import { createRenderer, RenderError } from './render.ts';
import { containsMark } from './placeholders.ts';
import { issueAt, placeWithin, syntaxIssues, type TemplateIssue, type TemplateSource } from './template-file.ts';
import type { Place } from './syntax.ts';

export interface CheckOptions {
  /** Label names of the template's schema in code (see `labelNames`), if known: a file may use no others. */
  readonly declaredLabels?: readonly string[] | null;
}

/** Gmail clips a mail's HTML at about 102 KB and hides the rest. */
export const maximumEmailHtml = 100_000;

/**
 * Checks the texts (syntax, names, labels, secrets) and renders the template's own example as title, text, HTML and mail.
 * Sorted by place; empty when all is well.
 */
export function checkTemplate(source: TemplateSource, options: CheckOptions = {}): TemplateIssue[] {
  const texts = textsOf(source);
  const broken = texts.flatMap((text) => writingIssues(source, text));
  const issues = [
    ...broken,
    ...labelIssues(source, texts, options.declaredLabels ?? null),
    // With a broken text, what it uses is not known.
    ...(broken.length === 0 ? [...unusedIssues(source), ...secretIssues(source, texts)] : []),
    ...bodyIssues(source),
    ...exampleIssues(source, broken.length === 0),
  ];
  return issues.sort((a, b) => a.line - b.line || a.column - b.column);
}

interface Text {
  readonly where: string;
  readonly source: string;
  readonly uses: readonly LabelUse[];
}

function textsOf({ title, body, actions }: TemplateSource): Text[] {
  const pairs = [
    ['title', title],
    ['body', body],
    ...actions.flatMap(({ label, url }, index) => [
      [`actions[${index}].label`, label],
      [`actions[${index}].url`, url],
    ]),
  ] as [string, string][];
  return pairs.map(([where, source]) => ({ where, source, uses: labelUses(parseSyntax(source).parts) }));
}

type Fault = Parameters<typeof issueAt>[2];

function startOf({ origin }: TemplateSource, where: string | null): Place {
  return origin.places[where ?? ''] ?? { line: 1, column: 1 };
}

/** At a place within a text of the template, or where the text begins. */
function issueIn(
  template: TemplateSource,
  where: string | null,
  found: Fault & { place?: Place | null },
): TemplateIssue {
  const { place, ...fault } = found;
  const start = startOf(template, where);
  return issueAt(template.origin.file, place ? placeWithin(start, place) : start, fault);
}

function writingIssues(template: TemplateSource, { where, source }: Text): TemplateIssue[] {
  const issues = syntaxIssues(template.origin.file, { where, text: source, start: startOf(template, where) });
  if (!containsMark(source)) return issues;
  return [...issues, issueIn(template, where, { message: `${where}: the word zqx…xqz is reserved; remove it` })];
}

function labelIssues(
  template: TemplateSource,
  texts: readonly Text[],
  declared: readonly string[] | null,
): TemplateIssue[] {
  const example = template.example && Object.keys(template.example.labels);
  const issues: TemplateIssue[] = [];
  for (const { where, uses } of texts) {
    for (const { label, place, mayBeAbsent } of uses) {
      const unknown = declared !== null && !declared.includes(label);
      if (unknown) {
        const message = `label "${label}" is not in the template's schema${suggestion(label, declared)}`;
        issues.push(issueIn(template, where, { place, message }));
      } else if (example && !mayBeAbsent && !example.includes(label)) {
        const message = `label "${label}" is not in the example${suggestion(label, example)}; add it under example.labels`;
        issues.push(issueIn(template, where, { place, message }));
      }
    }
  }
  return issues;
}

function unusedIssues(template: TemplateSource): TemplateIssue[] {
  const known = [...template.labels, ...template.optionalLabels];
  const unused = Object.keys(template.example?.labels ?? {}).filter((label) => !known.includes(label));
  const warning = (label: string) =>
    `the example gives label "${label}", which nothing uses${suggestion(label, known)}`;
  return unused.map((label) => issueIn(template, null, { message: warning(label), severity: 'warning' }));
}

function secretIssues(template: TemplateSource, texts: readonly Text[]): TemplateIssue[] {
  const known = [...template.labels, ...template.optionalLabels];
  const unknown = template.secrets.filter((secret) => !known.includes(secret));
  const shown = texts
    .filter(({ where }) => where === 'title' || where.endsWith('.label'))
    .flatMap(({ where, uses }) =>
      uses.filter((use) => template.secrets.includes(use.label)).map((use) => ({ where, ...use })),
    );
  return [
    ...unknown.map((secret) =>
      issueIn(template, null, { message: `secrets: no text uses a label "${secret}"${suggestion(secret, known)}` }),
    ),
    ...shown.map(({ where, label, place }) =>
      issueIn(template, where, {
        place,
        message: `label "${label}" is secret, but a ${where === 'title' ? 'title' : 'button'} is shown in lists and previews`,
      }),
    ),
  ];
}

const unsupported: readonly (readonly [pattern: RegExp, message: string])[] = [
  [/!\[[^\]\n]*\]\(/g, 'images are not sent, only their description; a link is'],
  [/<\/?[a-zA-Z][a-zA-Z0-9-]*(?:\s[^<>\n]*)?>/g, 'HTML is shown as it is written; use Markdown'],
];

function bodyIssues(template: TemplateSource): TemplateIssue[] {
  return unsupported.flatMap(([pattern, message]) =>
    [...template.body.matchAll(pattern)].map((match) => {
      const before = template.body.slice(0, match.index).split('\n');
      const place = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
      return issueIn(template, 'body', { place, message: `body: ${message}`, severity: 'warning' });
    }),
  );
}

function exampleIssues(template: TemplateSource, sound: boolean): TemplateIssue[] {
  const { example } = template;
  if (!example) {
    const message = 'there is no example, so nothing could be rendered; add "example:" with labels, and data if used';
    return [issueIn(template, null, { message, severity: 'warning' })];
  }
  const uses = textsOf(template).flatMap((text) => text.uses);
  const missing = requiredAndOptional(uses).required.filter((label) => !Object.hasOwn(example.labels, label));
  // What is wrong with syntax or labels has been said, and with its place.
  if (!sound || missing.length > 0) return [];
  try {
    const size = Buffer.byteLength(renderExample(template).email.html);
    if (size <= maximumEmailHtml) return [];
    const message = `the mail's HTML has ${size} bytes; Gmail clips it at 102,000: shorten the text or its lists`;
    return [issueIn(template, 'body', { message })];
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    const message = error.message.replace(/^template "[^"]*", /, 'the example cannot be rendered: ');
    return [issueIn(template, error.where, { place: error.place, message })];
  }
}

const exampleBrand: Brand = { appName: 'Example', baseUrl: 'https://app.example.com' };
const exampleTime = new Date('2026-01-15T09:30:00Z');

/**
 * Renders a template's example as content and as a mail. Without an example there are no labels and no data.
 *
 * @throws {RenderError} when it cannot be rendered.
 */
export function renderExample(
  template: TemplateSource,
  brand: Brand = exampleBrand,
): { content: RenderedContent; email: Email } {
  const example = template.example ?? { recipient: { id: 'example' }, labels: {}, data: null };
  const content = createRenderer()({ template, ...example, brand, createdAt: exampleTime, targets: ['example'] });
  return { content, email: renderEmail({ content, brand, createdAt: exampleTime }) };
}
