/**
 * The template language as a small closed syntax tree. It is Handlebars, read by Handlebars' own parser (`parse.ts`)
 * and evaluated by `evaluate.ts`. Handlebars' compiler and runtime are not used: they turn a syntax tree into
 * JavaScript, look up names on prototypes unless told otherwise, and ignore most uses of a missing name. Here a name
 * that does not exist is always an error with its position, and syntax that is not listed here cannot run.
 *
 * Supported: `{{path}}`, `{{formatter args option=value}}`, `{{#if}}`, `{{#unless}}`, `{{#each}}`, `{{#with}}`,
 * `{{else}}`, `as |name|`, `../`, `this`, `@index`, `@key`, `@first`, `@last`, `@root`, comments, `~`. Refused: raw
 * output, partials, decorators, other blocks.
 */

/** Line and column in the source, both from 1. */
export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** An error in a source text, with its position. */
export interface SyntaxProblem extends Position {
  readonly message: string;
}

/** A reference to a value. `frame` counts the enclosing `each` and `with` blocks from the root, which is 0. */
export interface Path {
  readonly kind: 'path';
  readonly frame: number;
  readonly field: 'value' | 'index' | 'key' | 'first' | 'last';
  readonly parts: readonly string[];
  /** The path from the root, with `[]` for "each element of"; null if it is not known before evaluation. */
  readonly absolute: readonly string[] | null;
  readonly written: string;
  readonly position: Position;
}

/** A call of a helper. */
export interface Call {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Expression[];
  readonly options: ReadonlyMap<string, Expression>;
  readonly position: Position;
}

/** A text, number, boolean or null that is written in the template. */
export interface Literal {
  readonly kind: 'literal';
  readonly value: string | number | boolean | null;
}

/** Anything that has a value. */
export type Expression = Path | Call | Literal;

/** How a value is inserted: as text, as a whole URL, as a path of several segments, or with its line breaks. */
export type InsertedAs = 'text' | 'url' | 'path' | 'paragraphs';

/** A node of the syntax tree. */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly expression: Expression; readonly as: InsertedAs; readonly position: Position }
  | {
      readonly kind: 'block';
      readonly name: 'if' | 'unless' | 'each' | 'with';
      readonly subject: Expression;
      readonly body: readonly Part[];
      readonly otherwise: readonly Part[];
      readonly position: Position;
    };

/** A parsed source text. */
export interface Syntax {
  readonly parts: readonly Part[];
  /** All errors. If there are any, the parts are incomplete and must not be evaluated. */
  readonly problems: readonly SyntaxProblem[];
}

/** The names that every template can use. */
export const rootNames = [
  'labels',
  'data',
  'recipient',
  'appName',
  'baseUrl',
  'logoUrl',
  'currentYear',
  'targets',
] as const;

/** The fields of `recipient`. A field that a recipient does not have prints as empty text. */
export const recipientFields = ['id', 'email', 'name', 'locale', 'timeZone'] as const;
