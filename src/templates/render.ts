/**
 * Template version + message -> content. Pure: the same input gives the same bytes on every retry and every machine
 * (dates and numbers follow the ICU data of the Node release). See `skeleton.ts` for why values cannot become markup.
 */
import type { Action, Brand, JsonValue, Recipient, RenderedContent } from '../vocabulary.ts';
import { cut, escapeHtml, escapeMarkdown, escapeMarkdownAttribute, escapeMarkdownCode, oneLine } from './escape.ts';
import { type Environment, evaluate, type Inserted, maximumOutput, type Piece, RenderError } from './evaluate.ts';
import { createFormatters } from './formatters.ts';
import { createMarkdownParser, type MarkdownParser, type MarkPlace, type Shape } from './markdown.ts';
import { parseSyntax } from './parse.ts';
import { layOutTable, type TextInline, type TextPart, type TextTable } from './plaintext.ts';
import { LruCache } from '../lru.ts';
import { buildSkeleton, containsMark, type Segment, type Skeleton } from './placeholders.ts';
import { type Part, recipientFields } from './syntax.ts';
import { composeUrl, encodeUrlPart } from './url.ts';

/** The stored texts of one template version. */
export interface TemplateTexts {
  /** Name and version are only for messages about what is wrong. */
  readonly name: string;
  readonly version?: number;
  readonly title: string;
  readonly body: string;
  readonly actions: readonly Action[];
}

export interface RenderInput {
  readonly template: TemplateTexts;
  readonly recipient: Recipient;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: JsonValue;
  readonly brand: Brand;
  /** When the message was enqueued: `{{currentYear}}` is its year (UTC), so that a retry gives the same bytes. */
  readonly createdAt: Date;
  readonly targets?: readonly string[];
}

/**
 * Renders one message.
 *
 * @throws {RenderError} when there is no content: one line that names template, text, line, column and label, and never
 * a value. Rendering the same input again gives the same error.
 */
export type Renderer = (input: RenderInput) => RenderedContent;

export { RenderError };

/** Longest title and action label in characters; what is longer ends in an ellipsis. */
export const maximumTitle = 200;

/**
 * A renderer with its own caches, and no other state: any number may exist.
 *
 * @param options.cacheSize templates kept in parsed form, least recently used first out; 1 to 10,000, default 200.
 */
export function createRenderer({ cacheSize = 200 }: { readonly cacheSize?: number } = {}): Renderer {
  const formatters = createFormatters();
  const parse = createMarkdownParser();
  const templates = new LruCache<CompiledTemplate>(Math.min(Math.max(cacheSize, 1), 10_000));
  // A caller that keeps its template objects spares the comparison of whole texts.
  const known = new WeakMap<TemplateTexts, CompiledTemplate>();

  return (input) => {
    const { template } = input;
    const compiled = known.get(template) ?? templates.get(keyOf(template), () => compile(template));
    known.set(template, compiled);
    try {
      return fill(compiled, input, { formatters, parse });
    } catch (error) {
      if (!(error instanceof RenderError)) throw error;
      const version = template.version === undefined ? '' : ` version ${template.version}`;
      throw new RenderError(`template "${template.name}"${version}, ${error.message}`, error.place, error.where);
    }
  };
}

function keyOf(template: TemplateTexts): string {
  return JSON.stringify([template.title, template.body, template.actions]);
}

/** Renders once, without keeping anything. Use `createRenderer` to render more than once. */
export function renderContent(input: RenderInput): RenderedContent {
  return createRenderer({ cacheSize: 1 })(input);
}

interface CompiledTemplate {
  readonly title: CompiledText;
  readonly body: CompiledText;
  readonly actions: readonly { readonly label: CompiledText; readonly url: CompiledText }[];
  readonly shapes: LruCache<Shape>;
}

interface CompiledText {
  /** For messages, for example `body` or `actions[0].url`. */
  readonly where: string;
  readonly parts: readonly Part[];
  readonly problem: RenderError | null;
}

/** More than this many variants (rows of a loop, branches) or longer ones are parsed again each time. */
const shapesPerTemplate = 8;
const longestKeptSkeleton = 16 * 1024;

function compile(template: TemplateTexts): CompiledTemplate {
  return {
    title: compileText('title', template.title),
    body: compileText('body', template.body),
    actions: template.actions.map((action, index) => ({
      label: compileText(`actions[${index}].label`, action.label),
      url: compileText(`actions[${index}].url`, action.url),
    })),
    shapes: new LruCache<Shape>(shapesPerTemplate),
  };
}

function compileText(where: string, source: string): CompiledText {
  const { parts, problems } = parseSyntax(source);
  const [first] = problems;
  if (first) return { where, parts: [], problem: new RenderError(first.message, first) };
  if (containsMark(source))
    return { where, parts: [], problem: new RenderError('the text holds a reserved word (zqx…xqz)') };
  return { where, parts, problem: null };
}

interface Tools {
  readonly formatters: Environment['formatters'];
  readonly parse: MarkdownParser;
}

function fill(template: CompiledTemplate, input: RenderInput, { formatters, parse }: Tools): RenderedContent {
  const environment: Environment = {
    root: rootOf(input),
    formatters,
    locality: input.recipient,
  };
  const run = <T>(text: CompiledText, finish: (pieces: Piece[]) => T): T =>
    located(text, () => finish(evaluate(text.parts, environment)));
  const title = run(template.title, plainLine);
  return {
    title,
    ...run(template.body, (pieces) => renderBody(buildSkeleton(pieces), template.shapes, parse)),
    actions: template.actions.map(({ label, url }) => ({ label: run(label, plainLine), url: run(url, composeUrl) })),
  };
}

/** Adds text, line and column to whatever goes wrong inside. */
function located<T>(text: CompiledText, work: () => T): T {
  try {
    if (text.problem) throw text.problem;
    return work();
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    const place = error.place ? ` line ${error.place.line} column ${error.place.column}` : '';
    throw new RenderError(`${text.where}${place}: ${error.message}`, error.place, text.where);
  }
}

function rootOf({ recipient, labels, data, brand, createdAt, targets = [] }: RenderInput): Environment['root'] {
  const fields = recipientFields.map((field) => [field, recipient[field] ?? null] as const);
  return {
    labels,
    data,
    recipient: Object.fromEntries(fields),
    appName: brand.appName,
    baseUrl: brand.baseUrl,
    logoUrl: brand.logoUrl ?? null,
    currentYear: createdAt.getUTCFullYear(),
    targets: [...targets],
  };
}

/** A title or a button's label: plain text, so nothing is escaped. */
function plainLine(pieces: readonly Piece[]): string {
  const line = cut(
    oneLine(pieces.map((piece) => (typeof piece === 'string' ? piece : piece.text)).join('')).trim(),
    maximumTitle,
  );
  if (line === '') throw new RenderError('the text is empty');
  return line;
}

function renderBody(
  skeleton: Skeleton,
  shapes: LruCache<Shape>,
  parse: MarkdownParser,
): Pick<RenderedContent, 'markdown' | 'text' | 'html'> {
  const { markdown, values } = skeleton;
  const keep = markdown.length <= longestKeptSkeleton;
  const shape = keep ? shapes.get(markdown, () => parse(markdown)) : parse(markdown);
  const lines = values.map((value) => oneLine(value.text));
  const url = (parts: readonly Segment[]) =>
    composeUrl(parts.map((part) => (typeof part === 'string' ? part : (values[part] ?? ''))));
  const inline = (part: TextInline) =>
    typeof part === 'string' ? part : typeof part === 'number' ? (lines[part] ?? '') : url(part.url);
  const content = {
    markdown: shape.markdown
      .map((part, index) => markdownPart(part, shape.markdown[index + 1], { values, lines, shape }))
      .join(''),
    text: shape.text
      .map((part) => (isTable(part) ? layOutTable(part, (cell) => cell.map(inline).join('')) : inline(part)))
      .join(''),
    html: shape.html.map((part) => (typeof part === 'string' ? part : escapeHtml(inline(part)))).join(''),
  };
  if (Math.max(content.markdown.length, content.text.length, content.html.length) > maximumOutput) {
    throw new RenderError(`the text grows beyond ${maximumOutput / 1024} KB`);
  }
  return content;
}

function isTable(part: TextPart): part is TextTable {
  return typeof part === 'object' && 'rows' in part;
}

interface Filling {
  readonly values: readonly Inserted[];
  readonly lines: readonly string[];
  readonly shape: Shape;
}

function markdownPart(part: Segment, next: Segment | undefined, { values, lines, shape }: Filling): string {
  if (typeof part === 'string') return part;
  const place: MarkPlace = shape.places.get(part) ?? 'text';
  const line = lines[part] ?? '';
  if (place === 'text') return escapeMarkdown(line);
  if (place === 'code') return escapeMarkdownCode(line);
  if (place === 'tableCode') return escapeMarkdownCode(line).replaceAll('|', '\\|');
  if (place === 'attribute') return escapeMarkdownAttribute(line);
  const value = values[part];
  if (value?.as !== 'url') return encodeUrlPart(line);
  const whole = composeUrl([value]).replace(/[()]/g, (c) => (c === '(' ? '%28' : '%29'));
  return typeof next === 'string' && next.startsWith('/') && whole.endsWith('/') ? whole.slice(0, -1) : whole;
}
