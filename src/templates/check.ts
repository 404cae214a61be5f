/** The checks of `pg-herald templates check`: everything that can be found without sending. */
import type { Brand, RenderedContent } from '../vocabulary.ts';
import { languageIssues } from './compare-languages.ts';
import { type Email, maximumEmailHtml, renderEmail } from './email.ts';
import { type LabelUse, labelUses, requiredAndOptional } from './labels.ts';
import { comparisonWarnings, literalTextWarnings, slashWarnings, type Warning } from './lint.ts';
import { suggestion } from './nearest.ts';
import { parseSyntax } from './parse.ts';
import { pluralIssues } from './plural-check.ts';
import { createRenderer, RenderError, type TemplateTexts, titleOf } from './render.ts';
import { containsPlaceholder } from './placeholders.ts';
import {
  issueAt,
  positionWithin,
  syntaxIssues,
  type TemplateIssue,
  type TemplateSource,
  type TemplateTranslation,
  textsOf,
} from './template-file.ts';
import { stepWarnings, type TemplateStep } from './steps.ts';
import type { Position } from './syntax.ts';

/**
 * Checks the texts (syntax, names, labels, secrets, plurals) of all languages, compares the languages, and renders the
 * template's own example as an email in each. Returns the issues by file, and by their position in it.
 */
export function checkTemplate(source: TemplateSource): TemplateIssue[] {
  const broken = brokenIssues(source);
  const own = [
    ...broken,
    // It is not known what a broken text uses.
    ...(broken.length === 0 ? [...unusedIssues(source), ...unknownSecrets(source)] : []),
    ...textIssues(source, broken.length === 0),
    ...(source.steps === null ? [] : stepIssues(source, source.steps)),
    ...(broken.length === 0 ? languageIssues(source, null) : []),
  ];
  const translated = source.translations.map((translation) => {
    const view = inLanguage(source, translation);
    const wrong = brokenIssues(view);
    const compared = broken.length + wrong.length === 0 ? languageIssues(source, translation) : [];
    return sorted([...wrong, ...textIssues(view, wrong.length === 0), ...compared]);
  });
  return [...sorted(own), ...translated.flat()];
}

function sorted(issues: readonly TemplateIssue[]): TemplateIssue[] {
  return issues.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** The template as if the translation were its only text. */
export function inLanguage(source: TemplateSource, translation: TemplateTranslation): TemplateSource {
  return { ...source, ...translation, translations: [] };
}

function brokenIssues(source: TemplateSource): TemplateIssue[] {
  return parsedTexts(source).flatMap((text) => writingIssues(source, text));
}

/** What may be wrong with the texts of each language. */
function textIssues(source: TemplateSource, sound: boolean): TemplateIssue[] {
  const texts = parsedTexts(source);
  return [
    ...labelIssues(source, texts),
    ...(sound ? [...shownSecrets(source, texts), ...pluralIssues(source)] : []),
    ...lintIssues(source),
    ...exampleIssues(source, sound),
  ];
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

function unknownSecrets(template: TemplateSource): TemplateIssue[] {
  const known = [...template.labels, ...template.optionalLabels];
  const unknown = template.secrets.filter((secret) => !known.includes(secret));
  return unknown.map((secret) =>
    issueIn(template, null, { message: `secrets: no text uses a label "${secret}"${suggestion(secret, known)}` }),
  );
}

function shownSecrets(template: TemplateSource, texts: readonly Text[]): TemplateIssue[] {
  const shown = texts
    .filter(({ where }) => where === 'title' || where === 'preview' || where.endsWith('.label'))
    .flatMap(({ where, uses }) =>
      uses.filter((use) => template.secrets.includes(use.label)).map((use) => ({ where, ...use })),
    );
  return shown.map(({ where, label, position }) =>
    issueIn(template, where, {
      position,
      message: `label "${label}" is secret, but lists and previews show ${shownAs(where)}`,
    }),
  );
}

function shownAs(where: string): string {
  return where.endsWith('.label') ? 'buttons' : `${where}s`;
}

function lintIssues(template: TemplateSource): TemplateIssue[] {
  const { example } = template;
  const warn = (where: string, warnings: readonly Warning[]) =>
    warnings.map(({ position, message }) =>
      issueIn(template, where, { position, message: `${where}: ${message}`, severity: 'warning' }),
    );
  return [
    ...warn('body', literalTextWarnings(template.body)),
    ...textsOf(template).flatMap(({ where, text }) => {
      const { parts } = parseSyntax(text);
      const isUrl = where.endsWith('.url');
      const slashes = isUrl || where === 'body' ? slashWarnings(parts, example, isUrl) : [];
      return warn(where, [...comparisonWarnings(parts, example), ...slashes]);
    }),
  ];
}

function stepIssues(template: TemplateSource, steps: readonly TemplateStep[]): TemplateIssue[] {
  return stepWarnings(steps, template.methods).map(({ step, message }) =>
    issueIn(template, null, { message: `then[${step}]: ${message}`, severity: 'warning' }),
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
    return renderedIssues(template, renderExample(template));
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    const message = error.message.replace(/^template "[^"]*", /, 'the example cannot be rendered: ');
    return [issueIn(template, error.where, { position: error.position, message })];
  }
}

function renderedIssues(template: TemplateSource, { content, email }: RenderedExample): TemplateIssue[] {
  const warning = (where: string, message: string) => issueIn(template, where, { message, severity: 'warning' });
  const size = Buffer.byteLength(email.html);
  const large = `the HTML of the email has ${size} bytes, and Gmail clips it at 102,000; shorten the text or its lists`;
  const untitled = content.title === titleOf(template.name) && template.title !== content.title;
  const left = template.actions.length - content.actions.length;
  return [
    ...(size > maximumEmailHtml ? [issueIn(template, 'body', { message: large })] : []),
    ...(untitled ? [warning('title', 'title: with the example it is empty, so the name of the template is sent')] : []),
    ...(left > 0
      ? [warning('actions', `actions: with the example ${left} of them have no label and are left out`)]
      : []),
  ];
}

const exampleBrand: Brand = { appName: 'Example', baseUrl: 'https://app.example.com' };
const exampleTime = new Date('2026-01-15T09:30:00Z');

/** A template's example as content and as an email. */
export interface RenderedExample {
  readonly content: RenderedContent;
  readonly email: Email;
}

/**
 * Renders a template's example as content and as an email, in the template's default language. Without an example there
 * are no labels and no data.
 *
 * @throws {RenderError} if it cannot be rendered.
 */
export function renderExample(template: TemplateSource, brand: Brand = exampleBrand): RenderedExample {
  const example = template.example ?? { recipient: { id: 'example' }, labels: {}, data: null };
  // One language alone is rendered, whatever the recipient of the example reads.
  const texts: TemplateTexts = { ...template, texts: [] };
  const content = createRenderer()({
    template: texts,
    ...example,
    brand,
    createdAt: exampleTime,
    targets: ['example'],
  });
  return { content, email: renderEmail({ content, brand, createdAt: exampleTime }) };
}
