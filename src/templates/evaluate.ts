/** Evaluates a template's syntax tree with the values of one message. Does not handle Markdown, HTML or URLs. */
import type { JsonValue } from '../vocabulary.ts';
import { type Formatters, formatterRules, type LocaleContext } from './formatters.ts';
import type { Call, Expression, InsertedAs, Part, Path, Position } from './syntax.ts';

/** A value from outside the template, and how it is inserted. It must be escaped before it joins template text. */
export interface InsertedValue {
  readonly text: string;
  readonly as: InsertedAs;
}

/** One piece of the output: the template's own text (a string), or a value. */
export type Chunk = string | InsertedValue;

/** The error of a text that is longer than `maximumOutput`. */
export function tooLong(): RenderError {
  return new RenderError(`the text grows beyond ${maximumOutput / 1024} KB`);
}

/** Everything a template can see. */
export interface Environment {
  /** Own, enumerable JSON values under the names of `rootNames`. */
  readonly root: { readonly [name: string]: JsonValue };
  readonly formatters: Formatters;
  readonly localeContext: LocaleContext;
}

/**
 * The template or the message cannot be rendered; rendering it again throws the same error. The error's message
 * contains names and positions but never a value, because it is stored and logged.
 */
export class RenderError extends Error {
  override readonly name = 'RenderError';
  /** Position within the text, and which text it is, for example `body` or `actions[0].url`; null if unknown. */
  readonly position: Position | null;
  readonly where: string | null;

  constructor(message: string, position: Position | null = null, where: string | null = null) {
    super(message);
    this.position = position;
    this.where = where;
  }
}

/**
 * Bounds of one text: its output in characters, the iterations of all its loops, and its steps. A step is a node that
 * is evaluated or an element that a helper copies, so that neither a long loop without output nor a list that is copied
 * in every iteration can block a worker.
 */
export const maximumOutput = 256 * 1024;
const maximumIterations = 100_000;
const maximumSteps = 1_000_000;

/**
 * Evaluates one text. A name may be absent only in the arguments of `default` and `lookup` and, except for labels, in
 * `{{#if}}` and `{{#unless}}`. A label that is used only in these ways is optional; every other label is required.
 *
 * @throws {RenderError} if a name does not exist, a value has the wrong type, or the output is too long.
 */
export function evaluate(parts: readonly Part[], environment: Environment): Chunk[] {
  const evaluation = new Evaluation(environment);
  evaluation.run(parts, [{ value: environment.root, key: null, index: 0, last: true }]);
  return evaluation.chunks;
}

interface Frame {
  readonly value: JsonValue;
  readonly key: string | number | null;
  readonly index: number;
  readonly last: boolean;
}

class Evaluation {
  readonly chunks: Chunk[] = [];
  readonly #environment: Environment;
  #length = 0;
  #iterations = 0;
  #steps = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  run(parts: readonly Part[], frames: readonly Frame[]): void {
    this.#count(parts.length);
    for (const part of parts) {
      if (part.kind === 'text') this.#append(part.text, part.text.length);
      else if (part.kind === 'value') this.#insert(part, frames);
      else this.#block(part, frames);
    }
  }

  #insert({ expression, as, position }: Part & { kind: 'value' }, frames: readonly Frame[]): void {
    const value = printed(this.#value(expression, frames), expression, position);
    const text = as === 'url' && expression.kind === 'call' ? this.#whole(value.trim()) : value;
    this.#append({ text, as }, text.length);
  }

  /** A path, as applications store it, and an empty URL continue the base URL. "//" would name another host. */
  #whole(url: string): string {
    const { baseUrl } = this.#environment.root;
    const below = typeof baseUrl === 'string' && /^(?:\/(?![/\\])|$)/.test(url);
    return below ? baseUrl.replace(/\/$/, '') + url : url;
  }

  #count(steps: number): void {
    this.#steps += steps;
    if (this.#steps > maximumSteps) throw new RenderError('the text takes too many steps to make');
  }

  #append(chunk: Chunk, length: number): void {
    // An empty value still leaves a placeholder in the Markdown.
    this.#length += Math.max(length, 1);
    if (this.#length > maximumOutput) throw tooLong();
    this.chunks.push(chunk);
  }

  #block(block: Part & { kind: 'block' }, frames: readonly Frame[]): void {
    const { name, subject, body, otherwise } = block;
    if (name === 'if' || name === 'unless') {
      const holds = isTruthy(this.#condition(subject, frames));
      this.run(holds === (name === 'if') ? body : otherwise, frames);
      return;
    }
    const value = this.#value(subject, frames);
    if (name === 'with') {
      const present = isTruthy(value) || value === 0;
      this.run(present ? body : otherwise, present ? [...frames, { value, key: null, index: 0, last: true }] : frames);
      return;
    }
    const items = entriesOf(value);
    if (items.length === 0) this.run(otherwise, frames);
    items.forEach(([key, item], index) => {
      this.#iterations += 1;
      if (this.#iterations > maximumIterations)
        throw new RenderError('the loops have too many iterations', block.position);
      this.run(body, [...frames, { value: item, key, index, last: index === items.length - 1 }]);
    });
  }

  /** Data is free-form JSON, so a condition may ask for what is absent. Labels are declared, so it may not. */
  #condition(subject: Expression, frames: readonly Frame[]): JsonValue {
    if (subject.kind !== 'path' || subject.absolute?.[0] === 'labels') return this.#value(subject, frames);
    return lookUp(subject, frames) ?? null;
  }

  #value(expression: Expression, frames: readonly Frame[]): JsonValue {
    if (expression.kind === 'literal') return expression.value;
    if (expression.kind === 'call') return this.#call(expression, frames);
    const value = lookUp(expression, frames);
    if (value !== undefined) return value;
    const [root, label] = expression.absolute ?? [];
    const what = root === 'labels' ? `label "${label}"` : `"${expression.written}"`;
    throw new RenderError(`${what} is missing`, expression.position);
  }

  #call(call: Call, frames: readonly Frame[]): JsonValue {
    const absent = formatterRules[call.name]?.absent ?? [];
    const args = call.args.map((arg, position) =>
      absent.includes(position) && arg.kind === 'path' ? (lookUp(arg, frames) ?? null) : this.#value(arg, frames),
    );
    const options = new Map<string, JsonValue>();
    for (const [name, option] of call.options) options.set(name, this.#value(option, frames));
    try {
      const { formatters, localeContext } = this.#environment;
      const result = formatters.apply(call.name, args, { options, localeContext });
      if (Array.isArray(result)) this.#count(result.length);
      return result;
    } catch (error) {
      if (error instanceof TypeError) throw new RenderError(`"${call.name}": ${error.message}`, call.position);
      throw error;
    }
  }
}

/** Reads own properties only, so that a template cannot reach JavaScript's prototypes. */
function lookUp(path: Path, frames: readonly Frame[]): JsonValue | undefined {
  const frame = frames[path.frame];
  if (!frame) return undefined;
  let value: JsonValue | undefined = path.field === 'value' ? frame.value : loopVariable(path.field, frame);
  for (const part of path.parts) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as { readonly [key: string]: JsonValue })[part];
  }
  return value;
}

function loopVariable(field: Exclude<Path['field'], 'value'>, frame: Frame): JsonValue {
  if (field === 'first') return frame.index === 0;
  return frame[field];
}

/** Handlebars' rule: an empty list is false, an empty object is true. */
function isTruthy(value: JsonValue): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function entriesOf(value: JsonValue): [string | number, JsonValue][] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function printed(value: JsonValue, expression: Expression, position: Position): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const what = expression.kind === 'path' ? `"${expression.written}"` : 'this';
  const kind = Array.isArray(value) ? 'a list' : 'an object';
  throw new RenderError(`${what} is ${kind}, which cannot be printed; print its fields or use {{#each}}`, position);
}
