/**
 * Template version + message -> content. Pure: the same input gives the same bytes on every retry and every machine
 * (dates and numbers follow the ICU data of the Node release). See `placeholders.ts` for why a value cannot become
 * markup.
 */
import { LruCache } from '../lru.ts';
import type { Brand, JsonValue, Recipient, RenderedContent } from '../vocabulary.ts';
import { isolated } from './bidi.ts';
import { chooseText, type LanguageText, languageOf, type TextsByLanguage } from './choose-text.ts';
import { closedIsolates, cut, oneLine } from './escape.ts';
import { fillMarkdown } from './fill-markdown.ts';
import { type Chunk, type Environment, evaluate, RenderError } from './evaluate.ts';
import { createFormatters } from './formatters.ts';
import { type Direction, directionOf } from './locale.ts';
import { type CompiledMarkdown, createMarkdownCompiler, type MarkdownCompiler } from './markdown.ts';
import { parseSyntax } from './parse.ts';
import { containsPlaceholder, insertPlaceholders, type MarkdownWithPlaceholders } from './placeholders.ts';
import { type Part, recipientFields } from './syntax.ts';
import { composeUrl } from './url.ts';

/** The stored texts of one template version, in all of its languages. */
export interface TemplateTexts extends TextsByLanguage {
  /** Name and version appear in error messages only. */
  readonly name: string;
  readonly version?: number;
}

/** One message to render. */
export interface RenderInput {
  readonly template: TemplateTexts;
  readonly recipient: Recipient;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: JsonValue;
  readonly brand: Brand;
  /** When the message was enqueued. `{{currentYear}}` is its year in UTC, so that a retry gives the same bytes. */
  readonly createdAt: Date;
  readonly targets?: readonly string[];
}

/**
 * Renders one message.
 *
 * @throws {RenderError} if the message cannot be rendered. Its one line names the template, text, line, column and
 * label, never a value. Rendering the same input again throws the same error.
 */
export type Renderer = (input: RenderInput) => RenderedContent;

export { RenderError };

/** Longest title and action label in characters. A longer one is cut and ends in an ellipsis. */
export const maximumTitle = 200;

/**
 * Creates a renderer. It has its own caches and no other state, so any number may exist.
 *
 * @param options.cacheSize number of templates cached in parsed form, 1 to 10,000; default 200.
 */
export function createRenderer({ cacheSize = 200 }: { readonly cacheSize?: number } = {}): Renderer {
  const formatters = createFormatters();
  const compileMarkdown = createMarkdownCompiler();
  const templates = new LruCache<CompiledTemplate>(Math.min(Math.max(cacheSize, 1), 10_000));
  // A caller that keeps its template objects avoids the comparison of whole texts.
  const known = new WeakMap<LanguageText, CompiledTemplate>();
  const choices = new WeakMap<TemplateTexts, LruCache<LanguageText>>();

  function choose(template: TemplateTexts, locale: string | undefined): LanguageText {
    if (!template.texts?.length || locale === undefined) return template;
    const chosen = choices.get(template) ?? new LruCache<LanguageText>(localesPerTemplate);
    choices.set(template, chosen);
    return chosen.get(locale, () => chooseText(template, locale));
  }

  return (input) => {
    const { template } = input;
    const text = choose(template, input.recipient.locale);
    const compiled = known.get(text) ?? templates.get(keyOf(text), () => compile(text));
    known.set(text, compiled);
    try {
      return fill(compiled, input, { formatters, compileMarkdown });
    } catch (error) {
      if (!(error instanceof RenderError)) throw error;
      const version = template.version === undefined ? '' : ` version ${template.version}`;
      const language = text === template ? '' : ` in ${languageOf(text)}`;
      const place = `template "${template.name}"${version}${language}`;
      throw new RenderError(`${place}, ${error.message}`, error.position, error.where);
    }
  };
}

/** Locales whose choice is remembered, for each template. */
const localesPerTemplate = 100;

function keyOf(text: LanguageText): string {
  return JSON.stringify([languageOf(text), text.title, text.preview, text.body, text.actions, text.words]);
}

interface CompiledTemplate {
  readonly language: string;
  readonly direction: Direction;
  readonly words: Readonly<Record<string, string>> | null;
  readonly title: CompiledText;
  readonly preview: CompiledText | null;
  readonly body: CompiledText;
  readonly actions: readonly { readonly label: CompiledText; readonly url: CompiledText }[];
  readonly variants: LruCache<CompiledMarkdown>;
}

interface CompiledText {
  /** Which text it is, for error messages: for example `body` or `actions[0].url`. */
  readonly where: string;
  readonly parts: readonly Part[];
  readonly problem: RenderError | null;
}

/** Variants differ in branches and in the rows of loops. More of them, or longer ones, are parsed again each time. */
const variantsPerTemplate = 8;
const maximumCachedLength = 16 * 1024;

function compile(template: LanguageText): CompiledTemplate {
  const language = languageOf(template);
  return {
    language,
    direction: directionOf(language),
    words: template.words ?? null,
    title: compileText('title', template.title),
    preview: template.preview ? compileText('preview', template.preview) : null,
    body: compileText('body', template.body),
    actions: template.actions.map((action, index) => ({
      label: compileText(`actions[${index}].label`, action.label),
      url: compileText(`actions[${index}].url`, action.url),
    })),
    variants: new LruCache<CompiledMarkdown>(variantsPerTemplate),
  };
}

function compileText(where: string, source: string): CompiledText {
  const { parts, problems } = parseSyntax(source);
  const [first] = problems;
  if (first) return { where, parts: [], problem: new RenderError(first.message, first) };
  if (containsPlaceholder(source))
    return { where, parts: [], problem: new RenderError('the text holds a reserved word (zqx…xqz)') };
  return { where, parts, problem: null };
}

interface RenderDependencies {
  readonly formatters: Environment['formatters'];
  readonly compileMarkdown: MarkdownCompiler;
}

function fill(template: CompiledTemplate, input: RenderInput, dependencies: RenderDependencies): RenderedContent {
  const environment: Environment = {
    root: rootOf(input),
    formatters: dependencies.formatters,
    localeContext: { ...input.recipient, language: template.language },
  };
  const { language, direction, words, preview } = template;
  const run = <T>(text: CompiledText, finish: (chunks: Chunk[]) => T): T =>
    withLocation(text, () => finish(evaluate(text.parts, environment)));
  const line = (chunks: readonly Chunk[]) => plainLine(chunks, direction);
  return {
    // An empty label is a legal value, and an email without a subject looks broken.
    title: run(template.title, line) || titleOf(input.template.name),
    ...run(template.body, (chunks) => renderBody(insertPlaceholders(chunks), template, dependencies)),
    actions: template.actions.flatMap((action) => {
      const label = run(action.label, line);
      return label === '' ? [] : [{ label, url: run(action.url, composeUrl) }];
    }),
    language,
    direction,
    ...(words !== null && { words }),
    ...(preview !== null && { preview: run(preview, line) }),
  };
}

/** The name of a template as a title: `password-reset` becomes `Password reset`. */
export function titleOf(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll('-', ' ');
}

/** Adds the text's name, line and column to an error that `work` throws. */
function withLocation<T>(text: CompiledText, work: () => T): T {
  try {
    if (text.problem) throw text.problem;
    return work();
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    const position = error.position ? ` line ${error.position.line} column ${error.position.column}` : '';
    throw new RenderError(`${text.where}${position}: ${error.message}`, error.position, text.where);
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

/** A title or a button's label is plain text, so nothing is escaped. Empty if there is nothing to read. */
function plainLine(chunks: readonly Chunk[], direction: Direction): string {
  const text = chunks.map((chunk) => (typeof chunk === 'string' ? chunk : isolated(oneLine(chunk.text), direction)));
  const line = closedIsolates(cut(oneLine(text.join('')).trim(), maximumTitle));
  // Nothing that a person could see.
  return /[^\p{Cf}\p{Z}]/u.test(line) ? line : '';
}

function renderBody(
  { markdown, values }: MarkdownWithPlaceholders,
  { variants, direction }: CompiledTemplate,
  { compileMarkdown }: RenderDependencies,
): Pick<RenderedContent, 'markdown' | 'text' | 'html'> {
  const cacheable = markdown.length <= maximumCachedLength;
  const compile = () => compileMarkdown(markdown, direction);
  const compiled = cacheable ? variants.get(markdown, compile) : compile();
  return fillMarkdown(compiled, values, direction);
}
