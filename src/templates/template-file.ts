/** One template file: a YAML header between `---` lines, then Markdown. */
import { createHash } from 'node:crypto';
import { isMap, isScalar, LineCounter, type Node, type ParsedNode, parseDocument, visit } from 'yaml';
import type { Issue } from '../errors.ts';
import type { Action, JsonValue, Recipient } from '../vocabulary.ts';
import { templateNamePattern } from './define.ts';
import { type Header, type HeaderFault, readHeader } from './header.ts';
import { labelUses, requiredAndOptional } from './labels.ts';
import { suggestion } from './nearest.ts';
import { parseSyntax } from './parse.ts';
import type { Place } from './syntax.ts';

/** What the template's own example is rendered with. */
export interface TemplateExample {
  readonly recipient: Recipient;
  readonly labels: Readonly<Record<string, string>>;
  readonly data: JsonValue;
}

/** A template file, read and checked for form. */
export interface TemplateSource {
  /** The file's name without `.md`. */
  readonly name: string;
  /** Handlebars; one line of plain text. */
  readonly title: string;
  /** Handlebars in Markdown. */
  readonly body: string;
  readonly group: string;
  /** `custom`: notices that somebody writes by hand. `test`: sent to try a method out. */
  readonly kind: 'system' | 'custom' | 'test';
  /** Handlebars in both label and URL. */
  readonly actions: readonly Action[];
  /** In order of preference; null: the application's default methods. */
  readonly methods: readonly string[] | null;
  /** `all`: by every method; `first`: by the first one that can reach the recipient. */
  readonly fallback: 'all' | 'first';
  readonly enabledByDefault: boolean;
  /** Recipients cannot switch it off. */
  readonly mandatory: boolean;
  /** How long after enqueue it is still worth sending; null: no limit. */
  readonly ttlSeconds: number | null;
  /** What to do when nobody knows whether an attempt was accepted. */
  readonly unknown: 'retry' | 'hold';
  readonly maxAttempts: number | null;
  /** Name of an SMTP sender; null: the first. */
  readonly sender: string | null;
  /** Names of labels that are encrypted at rest and wiped when the message settles. */
  readonly secrets: readonly string[];
  /** Labels that every message must carry: used by the texts, or listed in the header. Sorted. */
  readonly labels: readonly string[];
  /** Labels that the texts only use inside `default` or `lookup`. Sorted. */
  readonly optionalLabels: readonly string[];
  readonly example: TemplateExample | null;
  /** SHA-256 of what a stored version consists of: title, body, actions, labels, secrets. */
  readonly contentHash: string;
  readonly origin: Origin;
}

/** Where things stand in the file, for messages. */
export interface Origin {
  readonly file: string;
  /** Where a text of the template begins, by its path: `title`, `body`, `actions[0].url`. */
  readonly places: Readonly<Record<string, Place>>;
}

/** Something wrong with a template file. `path` is `file:line:column`. */
export interface TemplateIssue extends Issue {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Longest file in bytes. */
export const maximumFile = 256 * 1024;

export function issueAt(
  file: string,
  place: Place,
  fault: { message: string; severity?: 'error' | 'warning' },
): TemplateIssue {
  const { line, column } = place;
  return { path: `${file}:${line}:${column}`, severity: 'error', ...fault, file, line, column };
}

/** From a place within a text to the place in the file. */
export function placeWithin(start: Place, { line, column }: Place): Place {
  return { line: start.line + line - 1, column: line === 1 ? start.column + column - 1 : column };
}

/** What is wrong with the syntax of one text of a template, which begins at `start`. */
export function syntaxIssues(
  file: string,
  { where, text, start }: { readonly where: string; readonly text: string; readonly start: Place },
): TemplateIssue[] {
  return parseSyntax(text).problems.map((problem) =>
    issueAt(file, placeWithin(start, problem), { message: `${where}: ${problem.message}` }),
  );
}

/**
 * Reads one file. Returns no source when anything is wrong with its form, and then every issue, not only the first.
 *
 * @param file the file's name, which gives the template its name
 */
export function parseTemplate(
  file: string,
  content: string,
): { source: TemplateSource | null; issues: TemplateIssue[] } {
  const wrong = (place: Place, message: string) => issueAt(file, place, { message });
  const start = { line: 1, column: 1 };
  const name = file.replace(/^.*[\\/]/, '').replace(/\.md$/i, '');
  const issues: TemplateIssue[] = [];
  if (!templateNamePattern.test(name)) {
    issues.push(wrong(start, `"${name}" is not a template name; use lower-case letters, digits and hyphens`));
  }
  if (Buffer.byteLength(content) > maximumFile) {
    return { source: null, issues: [wrong(start, `the file is larger than ${maximumFile / 1024} KB`)] };
  }
  const text = content.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  const parts = /^---[ \t]*\n([\s\S]*?)^---[ \t]*(?:\n|$)/m.exec(text);
  if (!parts || parts.index !== 0) {
    const message = 'the header is missing; begin the file with "---", then for example "title: ...", then "---"';
    return { source: null, issues: [...issues, wrong(start, message)] };
  }
  const yaml = readYaml(parts[1] ?? '');
  const after = text.slice(parts[0].length);
  const bodyPlace = { line: lineBreaks(parts[0]) + lineBreaks(/^\s*\n/.exec(after)?.[0] ?? '') + 1, column: 1 };
  const body = after.replace(/^\s*\n/, '').trimEnd();
  issues.push(...yaml.problems.map(({ place, message }) => wrong(place, message)));
  if (body.trim() === '') issues.push(wrong(bodyPlace, 'the body is empty; write the message below the header'));
  if (!yaml.header || issues.length > 0) {
    // Otherwise `checkTemplate` tells of them, with all that it finds beside.
    issues.push(...syntaxIssues(file, { where: 'title', text: yaml.title, start: yaml.places['title'] ?? start }));
    issues.push(...syntaxIssues(file, { where: 'body', text: body, start: bodyPlace }));
    return { source: null, issues: issues.sort((a, b) => a.line - b.line || a.column - b.column) };
  }
  const origin = { file, places: { ...yaml.places, body: bodyPlace } };
  return { source: sourceOf({ name, body, origin, header: yaml.header }), issues };
}

function lineBreaks(text: string): number {
  return text.split('\n').length - 1;
}

function sourceOf({
  name,
  body,
  origin,
  header,
}: {
  name: string;
  body: string;
  origin: Origin;
  header: Header;
}): TemplateSource {
  const { methods, ttlSeconds, maxAttempts, sender, example, labels: listed, ...options } = header;
  const texts = [options.title, body, ...options.actions.flatMap((action) => [action.label, action.url])];
  const used = requiredAndOptional(texts.flatMap((text) => labelUses(parseSyntax(text).parts)));
  const labels = [...new Set([...used.required, ...listed])].sort();
  const content = [options.title, body, options.actions, labels, options.secrets];
  return {
    name,
    body,
    ...options,
    methods: methods ?? null,
    ttlSeconds: ttlSeconds ?? null,
    maxAttempts: maxAttempts ?? null,
    sender: sender ?? null,
    labels,
    optionalLabels: used.optional.filter((label) => !labels.includes(label)),
    example: example ? exampleOf(example) : null,
    contentHash: createHash('sha256').update(JSON.stringify(content)).digest('hex'),
    origin,
  };
}

function exampleOf({ recipient = {}, labels = {}, data = null }: NonNullable<Header['example']>): TemplateExample {
  const given = Object.fromEntries(Object.entries(recipient).filter(([, value]) => value !== undefined));
  return { recipient: { id: 'example', email: 'kim@example.com', name: 'Kim Lee', ...given }, labels, data };
}

interface YamlProblem {
  readonly place: Place;
  readonly message: string;
}

interface ReadYaml {
  readonly header: Header | null;
  /** Empty where there is none. */
  readonly title: string;
  readonly problems: readonly YamlProblem[];
  readonly places: Readonly<Record<string, Place>>;
}

const headerFirstLine = 2;

function readYaml(yaml: string): ReadYaml {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines, prettyErrors: false, logLevel: 'silent', schema: 'core' });
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: line + headerFirstLine - 1, column: col };
  };
  const problems: YamlProblem[] = document.errors.map((error) => ({
    place: placeOf(error.pos[0]),
    message: yamlMessage(error.message),
  }));
  visit(document, {
    Alias: (_, node) =>
      void problems.push({
        place: placeOf(node.range?.[0] ?? 0),
        message: 'YAML aliases are not supported; repeat the value',
      }),
    Scalar: (_, node) => {
      if (!node.comment?.includes('{{')) return;
      problems.push({
        place: placeOf(node.range?.[1] ?? 0),
        message: 'YAML takes the text after " #" for a comment; quote the value',
      });
    },
  });
  if (problems.length > 0) return { header: null, title: '', problems, places: {} };

  const position = (path: readonly (string | number)[]) => placeOf(offsetOf(document.contents, path));
  const result = readHeader(document.toJS());
  const written = document.get('title');
  const title = typeof written === 'string' ? written : '';
  if ('faults' in result) {
    const first = new Map(result.faults.map((fault) => [fault.path.join('.'), fault] as const).reverse());
    const faults = [...first.values()].reverse();
    return {
      header: null,
      title,
      problems: faults.map((fault) => ({
        place: position(fault.path),
        message: faultMessage(fault, document.getIn(fault.path)),
      })),
      places: textPlaces([], document.contents, placeOf),
    };
  }
  const { header } = result;
  return { header, title, problems, places: textPlaces(header.actions, document.contents, placeOf) };
}

function yamlMessage(message: string): string {
  const braces = /flow|nested mapping|compact|block collection|implicit|unexpected/i.test(message);
  return `the header is not valid YAML: ${message.split('\n')[0]}${braces ? '; quote values that hold ": " or begin with "{{"' : ''}`;
}

function faultMessage({ path, message, known }: HeaderFault, value: unknown): string {
  const name = path.reduce<string>(
    (to, key) => (typeof key === 'number' ? `${to}[${key}]` : to ? `${to}.${key}` : key),
    '',
  );
  if (known) return `"${name}" ${message}${suggestion(String(path.at(-1)), known)}; known: ${known.join(', ')}`;
  const shown = typeof value === 'object' || value === undefined ? '' : `, not ${JSON.stringify(value).slice(0, 80)}`;
  return path.length === 0 ? message : `"${name}" ${message}${shown}`;
}

/** Where the value at a path begins, or its key, or what comes closest. */
function offsetOf(root: ParsedNode | null, path: readonly (string | number)[]): number {
  let node: unknown = root;
  let offset = root?.range[0] ?? 0;
  for (const key of path) {
    const pair = isMap(node) ? node.items.find((item) => isScalar(item.key) && item.key.value === key) : null;
    offset = (pair?.key as Node | undefined)?.range?.[0] ?? offset;
    node = pair ? pair.value : (node as { get?: (key: unknown, keep: true) => unknown } | null)?.get?.(key, true);
    offset = pair ? offset : ((node as Node | undefined)?.range?.[0] ?? offset);
  }
  return offset;
}

/** The places of the texts themselves, behind their keys and opening quotes. */
function textPlaces(
  written: readonly Action[],
  root: ParsedNode | null,
  placeOf: (offset: number) => Place,
): Record<string, Place> {
  const place = (keys: readonly (string | number)[]): Place => {
    const node: unknown = keys.reduce<unknown>(
      (at, key) => (at as { get?: (key: unknown, keep: true) => unknown } | undefined)?.get?.(key, true),
      root,
    );
    if (!isScalar(node)) return placeOf(0);
    const { line, column } = placeOf(node.range?.[0] ?? 0);
    return { line, column: column + (node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE' ? 1 : 0) };
  };
  const actions = written.flatMap((_, index) =>
    (['label', 'url'] as const).map((key) => [`actions[${index}].${key}`, place(['actions', index, key])] as const),
  );
  return { title: place(['title']), ...Object.fromEntries(actions) };
}
