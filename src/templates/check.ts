/** The checks of `pg-herald templates check`: everything that can be found without sending. */
import type { Brand, RenderedContent } from '../vocabulary.ts';
import { type Email, maximumEmailHtml, renderEmail } from './email.ts';
import { type LabelUse, labelUses, requiredAndOptional } from './labels.ts';
import { suggestion } from './nearest.ts';
import { parseSyntax } from './parse.ts';
import { createRenderer, RenderError } from './render.ts';
import { containsPlaceholder } from './placeholders.ts';
import {
  issueAt,
  positionWithin,
  syntaxIssues,
  type TemplateIssue,
  type TemplateSource,
  textsOf,
} from './template-file.ts';
import type { Position } from './syntax.ts';

/**
 * Checks the texts (syntax, names, labels, secrets) and renders the template's own example as an email. Returns the
 * issues by their position in the file.
 */
export function checkTemplate(source: TemplateSource): TemplateIssue[] {
  const texts = parsedTexts(source);
  const broken = texts.flatMap((text) => writingIssues(source, text));
  const issues = [
    ...broken,
    ...labelIssues(source, texts),
    // It is not known what a broken text uses.
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

function parsedTexts(template: TemplateSource): Text[] {
  return textsOf(template).map(({ where, text }) => ({
    where,
    source: text,
    uses: labelUses(parseSyntax(text).parts),
  }));
}

type Fault = Parameters<typeof issueAt>[2];

function startOf({ origin }: TemplateSource, where: string | null): Position {
  return origin.positions[where ?? ''] ?? { line: 1, column: 1 };
}

/** An issue at a position within a text of the template, or at its beginning. */
function issueIn(
  template: TemplateSource,
  where: string | null,
  found: Fault & { position?: Position | null },
): TemplateIssue {
  const { position, ...fault } = found;
  const start = startOf(template, where);
  return issueAt(template.origin.file, position ? positionWithin(start, position) : start, fault);
}

function writingIssues(template: TemplateSource, { where, source }: Text): TemplateIssue[] {
  const issues = syntaxIssues(template.origin.file, { where, text: source, start: startOf(template, where) });
  if (!containsPlaceholder(source)) return issues;
  return [...issues, issueIn(template, where, { message: `${where}: the word zqx…xqz is reserved; remove it` })];
}

function labelIssues(template: TemplateSource, texts: readonly Text[]): TemplateIssue[] {
  const example = template.example && Object.keys(template.example.labels);
  const issues: TemplateIssue[] = [];
  for (const { where, uses } of texts) {
    for (const { label, position, mayBeAbsent } of uses) {
      if (!example || mayBeAbsent || example.includes(label)) continue;
      const message = `label "${label}" is not in the example${suggestion(label, example)}`;
      issues.push(issueIn(template, where, { position, message: `${message}; add it under example.labels` }));
    }
  }
  return issues;
}

function unusedIssues(template: TemplateSource): TemplateIssue[] {
  const known = [...template.labels, ...template.optionalLabels];
  const unused = Object.keys(template.example?.labels ?? {}).filter((label) => !known.includes(label));
  const warning = (label: string) =>
    `the example has a label "${label}", which no text uses${suggestion(label, known)}`;
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
    ...shown.map(({ where, label, position }) =>
      issueIn(template, where, {
        position,
        message: `label "${label}" is secret, but lists and previews show ${where === 'title' ? 'titles' : 'buttons'}`,
      }),
    ),
  ];
}

const unsupported: readonly (readonly [pattern: RegExp, message: string])[] = [
  [/!\[[^\]\n]{0,1000}\]\(/g, 'images are not sent, only their descriptions; use a link'],
  [/<\/?[a-zA-Z][a-zA-Z0-9-]*(?:\s[^<>\n]*)?>/g, 'HTML is sent as literal text; use Markdown'],
];

function bodyIssues(template: TemplateSource): TemplateIssue[] {
  return unsupported.flatMap(([pattern, message]) =>
    [...template.body.matchAll(pattern)].map((match) => {
      const before = template.body.slice(0, match.index).split('\n');
      const position = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
      return issueIn(template, 'body', { position, message: `body: ${message}`, severity: 'warning' });
    }),
  );
}

function exampleIssues(template: TemplateSource, sound: boolean): TemplateIssue[] {
  const { example } = template;
  if (!example) {
    const message =
      'there is no example, so the template was not rendered; add "example:" with its labels, and data if it uses any';
    return [issueIn(template, null, { message, severity: 'warning' })];
  }
  const uses = parsedTexts(template).flatMap((text) => text.uses);
  const missing = requiredAndOptional(uses).required.filter((label) => !Object.hasOwn(example.labels, label));
  // These issues are already reported, with their positions.
  if (!sound || missing.length > 0) return [];
  try {
    const size = Buffer.byteLength(renderExample(template).email.html);
    if (size <= maximumEmailHtml) return [];
    const message = `the HTML of the email has ${size} bytes, and Gmail clips it at 102,000`;
    return [issueIn(template, 'body', { message: `${message}; shorten the text or its lists` })];
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    const message = error.message.replace(/^template "[^"]*", /, 'the example cannot be rendered: ');
    return [issueIn(template, error.where, { position: error.position, message })];
  }
}

const exampleBrand: Brand = { appName: 'Example', baseUrl: 'https://app.example.com' };
const exampleTime = new Date('2026-01-15T09:30:00Z');

/**
 * Renders a template's example as content and as an email. Without an example there are no labels and no data.
 *
 * @throws {RenderError} if it cannot be rendered.
 */
export function renderExample(
  template: TemplateSource,
  brand: Brand = exampleBrand,
): { content: RenderedContent; email: Email } {
  const example = template.example ?? { recipient: { id: 'example' }, labels: {}, data: null };
  const content = createRenderer()({ template, ...example, brand, createdAt: exampleTime, targets: ['example'] });
  return { content, email: renderEmail({ content, brand, createdAt: exampleTime }) };
}
