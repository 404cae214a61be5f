/** Valid parts of a template that are probably mistakes: found in its texts and its example, reported as warnings. */
import type { JsonValue } from '../vocabulary.ts';
import type { Call, Expression, Part, Path, Position } from './syntax.ts';
import type { TemplateSource } from './template-file.ts';

/** A warning, and where it is within its text. */
export interface Warning {
  readonly position: Position;
  readonly message: string;
}

/** Comparisons that are never true, and conditions that are true for the text "false". */
export function comparisonWarnings(parts: readonly Part[], example: TemplateSource['example']): Warning[] {
  return parts.flatMap((part): Warning[] => {
    if (part.kind === 'text') return [];
    if (part.kind === 'value') return callWarnings(part.expression, example);
    const inside = comparisonWarnings([...part.body, ...part.otherwise], example);
    const { subject, name } = part;
    const condition = name === 'if' || name === 'unless' ? conditionWarnings(subject, example) : [];
    return [...condition, ...callWarnings(subject, example), ...inside];
  });
}

function callWarnings(expression: Expression, example: TemplateSource['example']): Warning[] {
  if (expression.kind !== 'call') return [];
  const inner = [...expression.args, ...expression.options.values()].flatMap((arg) => callWarnings(arg, example));
  return expression.name === 'eq' ? [...inner, ...neverEqual(expression, example)] : inner;
}

function neverEqual({ args, position }: Call, example: TemplateSource['example']): Warning[] {
  const literal = args.find((arg) => arg.kind === 'literal');
  const path = args.find((arg) => arg.kind === 'path');
  if (literal?.kind !== 'literal' || path?.kind !== 'path') return [];
  const type = typeOf(path, example);
  const { value } = literal;
  if (type === null || value === null || typeof value === type) return [];
  const written = type === 'string' ? `write "${value}" in quotes` : `the example has a ${type}`;
  return [{ position, message: `${path.written} is never equal to ${JSON.stringify(value)}: ${written}` }];
}

/** The type of what a path stands for, as far as it is fixed or the example shows it. */
function typeOf({ absolute }: Path, example: TemplateSource['example']): string | null {
  const [root = '', ...names] = absolute ?? [];
  if (root === 'currentYear') return 'number';
  if (['labels', 'recipient', 'targets', 'appName', 'baseUrl', 'logoUrl'].includes(root)) return 'string';
  const value = root === 'data' ? exampleAt(example?.data, names) : undefined;
  return ['string', 'number', 'boolean'].includes(typeof value) ? typeof value : null;
}

function exampleAt(data: JsonValue | undefined, names: readonly string[]): JsonValue | undefined {
  return names.reduce<JsonValue | undefined>((value, name) => {
    if (typeof value !== 'object' || value === null) return undefined;
    const key = name === '[]' ? '0' : name;
    return Object.hasOwn(value, key) ? (value as { readonly [key: string]: JsonValue })[key] : undefined;
  }, data);
}

function conditionWarnings(subject: Expression, example: TemplateSource['example']): Warning[] {
  if (subject.kind !== 'path') return [];
  const [root, label = ''] = subject.absolute ?? [];
  const value = root === 'labels' ? example?.labels[label] : undefined;
  if (value === undefined || !/^(?:true|false|yes|no|on|off|0|1)$/i.test(value)) return [];
  const message = 'a label is text, and every text but the empty one is true, also "false"';
  return [{ position: subject.position, message: `${message}; write (eq ${subject.written} "${value}")` }];
}

/** Values with a slash in the path of a URL, where it becomes %2F. `inUrl`: the whole text is a URL. */
export function slashWarnings(
  parts: readonly Part[],
  example: TemplateSource['example'],
  inUrl: boolean,
  before = '',
): Warning[] {
  let text = before;
  return parts.flatMap((part): Warning[] => {
    if (part.kind === 'text') text += part.text;
    else if (part.kind === 'block') {
      return [part.body, part.otherwise].flatMap((inner) => slashWarnings(inner, example, inUrl, text));
    } else {
      const found = isInPath(text, inUrl) ? slashIn(part.expression, example) : [];
      text += 'x';
      return found;
    }
    return [];
  });
}

/** Whether what follows this text is in the path of a URL: of the text itself, or of a link in Markdown. */
function isInPath(text: string, inUrl: boolean): boolean {
  const url = inUrl ? text : /\]\(([^)\s]*)$/.exec(text)?.[1];
  return url !== undefined && url.includes('/') && !/[?#]/.test(url);
}

function slashIn(expression: Expression, example: TemplateSource['example']): Warning[] {
  if (expression.kind !== 'path') return [];
  const [root, ...names] = expression.absolute ?? [];
  const value = root === 'labels' ? example?.labels[names[0] ?? ''] : exampleAt(example?.data, names);
  if (typeof value !== 'string' || !value.includes('/')) return [];
  const { written, position } = expression;
  const message = `a "/" in ${written} becomes %2F here; write {{path ${written}}} to keep the segments of a path`;
  return [{ position, message }];
}

const literalText: readonly (readonly [pattern: RegExp, message: string])[] = [
  [/!\[[^[\]\n]{0,1000}\]\(/g, 'images are not sent, only their descriptions; use a link'],
  [/<\/?[a-zA-Z][a-zA-Z0-9-]*(?:\s[^<>\n]*)?>/g, 'HTML is sent as literal text; use Markdown'],
  [/<!--/g, 'an HTML comment is sent as literal text; write {{! ... }}'],
  [
    /(?<!!)\[[^[\]\n]{0,1000}\]\((?!<?(?:https?:\/\/|mailto:|\{\{))(?=[^)\n])/gi,
    'this link is sent as literal text; begin it with {{baseUrl}}, https://, http:// or mailto:',
  ],
  [
    /<(?!https?:|mailto:)[a-z][a-z0-9+.-]{1,31}:[^\s<>]*>/gi,
    'this link is sent as literal text; only https:, http: and mailto: are links',
  ],
  [
    /^ {0,3}\[[^[\]\n]{1,1000}\]:[ \t]*(?!<?(?:https?:\/\/|mailto:|\{\{))\S/gim,
    'this link is sent as literal text; begin it with https://, http:// or mailto:',
  ],
  [/^[ \t]*(?:[-+*]|\d{1,9}[.)]) \[[ xX]\] /gm, 'a task list is sent with literal brackets'],
  [/\[\^[^\]\s]{1,100}\]/g, 'footnotes are sent as literal text'],
];

/** Markup of other kinds of Markdown, which goes out as it is written. Code is left alone. */
export function literalTextWarnings(body: string): Warning[] {
  const text = withoutCode(body);
  return literalText.flatMap(([pattern, message]) =>
    [...text.matchAll(pattern)].map(({ index }) => {
      const lines = text.slice(0, index).split('\n');
      return { position: { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 }, message };
    }),
  );
}

/** Blanks code blocks and code spans, so that every other character keeps its place. */
function withoutCode(body: string): string {
  const blank = (code: string) => code.replace(/[^\n]/g, ' ');
  return body
    .replace(/^( {0,3})(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^ {0,3}\2[`~]*[ \t]*$|$(?![\s\S]))/gm, blank)
    .replace(/(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g, blank);
}
