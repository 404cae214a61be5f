/** Walks a template's tree with the values of one message. Knows nothing of Markdown, HTML or URLs. */
import type { JsonValue } from '../vocabulary.ts';
import { type Formatters, formatterRules, type Locality } from './formatters.ts';
import type { Call, Expression, InsertedAs, Part, Path, Place } from './syntax.ts';

/** A value from outside the template, and how it was inserted. Never to be joined with template text unescaped. */
export interface Inserted {
  readonly text: string;
  readonly as: InsertedAs;
}

/** What evaluation yields: the template's own text (string), and values. */
export type Piece = string | Inserted;

/** Everything a template can see. */
export interface Environment {
  /** Own, enumerable JSON values under the names of `rootNames`. */
  readonly root: { readonly [name: string]: JsonValue };
  readonly formatters: Formatters;
  readonly locality: Locality;
}

/**
 * Ends a rendering: the template or the message is wrong, and rendering again gives the same. The message holds names
 * and places, never a value: it is stored and logged.
 */
export class RenderError extends Error {
  override readonly name = 'RenderError';
  /** Place within the text, and which text it is, for example `body` or `actions[0].url`; null where unknown. */
  readonly place: Place | null;
  readonly where: string | null;

  constructor(message: string, place: Place | null = null, where: string | null = null) {
    super(message);
    this.place = place;
    this.where = where;
  }
}

/**
 * What bounds one text: its output, the rounds of all its loops, and its steps. A step is a part that is evaluated or an element that a
 * helper copies, so that neither an endless loop of nothing nor a list that is copied in every round can block a worker.
 */
export const maximumOutput = 256 * 1024;
const maximumRounds = 100_000;
const maximumSteps = 1_000_000;

/**
 * Evaluates the parts of one text.
 *
 * @throws {RenderError} for a name that does not exist, a value of the wrong kind, or an output that is too long.
 * A name may be absent only in the arguments of `default` and `lookup` and, except for labels, under `{{#if}}` and
 * `{{#unless}}`. So a label that is used in no other way is optional, and every other one is required.
 */
export function evaluate(parts: readonly Part[], environment: Environment): Piece[] {
  const evaluation = new Evaluation(environment);
  evaluation.run(parts, [{ value: environment.root, key: null, index: 0, last: true }]);
  return evaluation.pieces;
}

interface Frame {
  readonly value: JsonValue;
  readonly key: string | number | null;
  readonly index: number;
  readonly last: boolean;
}

class Evaluation {
  readonly pieces: Piece[] = [];
  readonly #environment: Environment;
  #length = 0;
  #rounds = 0;
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

  #insert({ expression, as, place }: Part & { kind: 'value' }, frames: readonly Frame[]): void {
    const text = printed(this.#value(expression, frames), expression, place);
    this.#append({ text, as }, text.length);
  }

  #count(steps: number): void {
    this.#steps += steps;
    if (this.#steps > maximumSteps) throw new RenderError('the text takes too many steps to make');
  }

  #append(piece: Piece, length: number): void {
    // An empty value leaves a mark behind as well, until the text is put together.
    this.#length += Math.max(length, 1);
    if (this.#length > maximumOutput) throw new RenderError(`the text grows beyond ${maximumOutput / 1024} KB`);
    this.pieces.push(piece);
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
      this.#rounds += 1;
      if (this.#rounds > maximumRounds) throw new RenderError('the loops take too many rounds', block.place);
      this.run(body, [...frames, { value: item, key, index, last: index === items.length - 1 }]);
    });
  }

  /** Data is free-form JSON, in which "not there" is a normal answer to a question. A label is declared. */
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
    throw new RenderError(`${what} is missing`, expression.place);
  }

  #call(call: Call, frames: readonly Frame[]): JsonValue {
    const absent = formatterRules[call.name]?.absent ?? [];
    const args = call.args.map((arg, position) =>
      absent.includes(position) && arg.kind === 'path' ? (lookUp(arg, frames) ?? null) : this.#value(arg, frames),
    );
    const options = new Map<string, JsonValue>();
    for (const [name, option] of call.options) options.set(name, this.#value(option, frames));
    try {
      const { formatters, locality } = this.#environment;
      const result = formatters.apply(call.name, args, { options, locality });
      if (Array.isArray(result)) this.#count(result.length);
      return result;
    } catch (error) {
      if (error instanceof TypeError) throw new RenderError(`"${call.name}": ${error.message}`, call.place);
      throw error;
    }
  }
}

/** Own properties only, so that nothing of JavaScript's own objects can be reached. */
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

/** Handlebars' own rule: empty lists count as false, empty objects as true. */
function isTruthy(value: JsonValue): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function entriesOf(value: JsonValue): [string | number, JsonValue][] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function printed(value: JsonValue, expression: Expression, place: Place): string {
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const what = expression.kind === 'path' ? `"${expression.written}"` : 'this';
  const kind = Array.isArray(value) ? 'a list' : 'an object';
  throw new RenderError(`${what} is ${kind}, which cannot be printed; print its fields or use {{#each}}`, place);
}
