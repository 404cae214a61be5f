/**
 * The template language as a small closed tree: Handlebars, read by Handlebars' own parser (`parse.ts`) and walked by
 * `evaluate.ts`. Handlebars' compiler and runtime are not used: they turn a syntax tree into JavaScript, look names up
 * on prototypes unless told otherwise, and let most uses of a missing name pass in silence. Here a name that does not
 * exist is an error with its place, whatever it is used for, and what the parser does not know cannot run.
 *
 * Known: `{{path}}`, `{{formatter args option=value}}`, `{{#if}}`, `{{#unless}}`, `{{#each}}`, `{{#with}}`, `{{else}}`,
 * `as |name|`, `../`, `this`, `@index`, `@key`, `@first`, `@last`, `@root`, comments, `~`. Refused: raw output,
 * partials, decorators, other blocks.
 */

/** Line and column in the source, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Something wrong with a source text, and where. */
export interface Problem extends Place {
  readonly message: string;
}

/** A look-up. `frame` counts the enclosing `each` and `with` blocks from the root, which is 0. */
export interface Path {
  readonly kind: 'path';
  readonly frame: number;
  readonly field: 'value' | 'index' | 'key' | 'first' | 'last';
  readonly parts: readonly string[];
  /** The path from the root, with `[]` for "each element of"; null where it cannot be told. */
  readonly absolute: readonly string[] | null;
  readonly written: string;
  readonly place: Place;
}

export interface Call {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Expression[];
  readonly options: ReadonlyMap<string, Expression>;
  readonly place: Place;
}

export interface Literal {
  readonly kind: 'literal';
  readonly value: string | number | boolean | null;
}

export type Expression = Path | Call | Literal;

/** How a value enters the output: as text, as a whole URL, or as text that keeps its line breaks. */
export type InsertedAs = 'text' | 'url' | 'paragraphs';

export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly expression: Expression; readonly as: InsertedAs; readonly place: Place }
  | {
      readonly kind: 'block';
      readonly name: 'if' | 'unless' | 'each' | 'with';
      readonly subject: Expression;
      readonly body: readonly Part[];
      readonly otherwise: readonly Part[];
      readonly place: Place;
    };

export interface Syntax {
  readonly parts: readonly Part[];
  /** Everything that is wrong; with any problem, the parts are incomplete and must not be evaluated. */
  readonly problems: readonly Problem[];
}

/** What stands at the root of every template. */
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

/** The fields of `recipient`; those that a recipient lacks print as empty. */
export const recipientFields = ['id', 'email', 'name', 'locale', 'timeZone'] as const;
