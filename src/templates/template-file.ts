/** One template file: a YAML header between `---` lines, then Markdown. */
import { createHash } from 'node:crypto';
import type { Issue } from '../errors.ts';
import type { Action, JsonValue, Recipient } from '../vocabulary.ts';
import { templateNamePattern } from './define.ts';
import { readFrontMatter } from './front-matter.ts';
import type { Header } from './header.ts';
import { labelUses, pathUses, requiredAndOptional, requiredData } from './labels.ts';
import { parseSyntax } from './parse.ts';
import type { Position } from './syntax.ts';

/** The values that a template's own example is rendered with. */
export interface TemplateExample {
  /** By default `kim@example.com`. */
  readonly recipient: Recipient;
  /** Every label that the texts require. */
  readonly labels: Readonly<Record<string, string>>;
  /** Default null. */
  readonly data: JsonValue;
}

/** A template file that was read. Its form is valid; `pg-herald templates check` checks its content. */
export interface TemplateSource {
  /** The file's name without `.md`. */
  readonly name: string;
  /** Handlebars; renders as one line of plain text. */
  readonly title: string;
  /** Handlebars in Markdown. */
  readonly body: string;
  /** What recipients see it under in their preferences. */
  readonly group: string;
  /** `system`: sent by the application. `custom`: notices that a person writes. `test`: sent to try a method. */
  readonly kind: 'system' | 'custom' | 'test';
  /** Handlebars in both label and URL. */
  readonly actions: readonly Action[];
  /** In order of preference; null: the application's default methods. */
  readonly methods: readonly string[] | null;
  /** `all`: by every method; `first`: by the first one that can reach the recipient. */
  readonly fallback: 'all' | 'first';
  /** Whether recipients without a preference of their own receive it. */
  readonly enabledByDefault: boolean;
  /** Recipients cannot disable it. */
  readonly mandatory: boolean;
  /** A message expires this long after enqueue; null: never. */
  readonly ttlSeconds: number | null;
  /** What to do if it is not known whether the receiver accepted an attempt. */
  readonly unknown: 'retry' | 'hold';
  /** Of a message that would expire before quiet hours end: `send` it in spite of them, or `drop` it. */
  readonly quiet: 'send' | 'drop';
  /** How often a message is tried; null: the method's default. */
  readonly maxAttempts: number | null;
  /** Name of an SMTP sender; null: the first. */
  readonly sender: string | null;
  /** `schema.function` of the database that is asked before each attempt; null: none. */
  readonly guard: string | null;
  /** Whether the recipient guard of the workers is asked about its recipients. */
  readonly recipientGuard: boolean;
  /** Names of labels that are encrypted at rest and deleted when the message settles. */
  readonly secrets: readonly string[];
  /** Labels that every message needs: used by the texts, or listed in the header. Sorted. */
  readonly labels: readonly string[];
  /** Labels that the texts use only inside `default` or `lookup`. Sorted. */
  readonly optionalLabels: readonly string[];
  /** Fields of the data that every message needs. Sorted. */
  readonly dataFields: readonly string[];
  /** What `templates check` and `preview` render it with; null if the header has none. */
  readonly example: TemplateExample | null;
  /** SHA-256 of what a version consists of: title, body, actions, labels, secrets. */
  readonly contentHash: string;
  /** Where its texts are in the file. */
  readonly origin: TemplateOrigin;
}

/** The positions of a template's texts in its file, for error messages. */
export interface TemplateOrigin {
  /** The file's name. */
  readonly file: string;
  /** Where each text begins, by its path: `title`, `body`, `actions[0].url`. */
  readonly positions: Readonly<Record<string, Position>>;
}

/** An error or warning about a template file. `path` is `file:line:column`. */
export interface TemplateIssue extends Issue {
  /** A template with an error is not stored. */
  readonly severity: 'error' | 'warning';
  /** The file's name. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** Largest file in bytes. */
const maximumFile = 256 * 1024;

/** An issue at a position of a file; an error unless `fault` says otherwise. */
export function issueAt(
  file: string,
  position: Position,
  fault: { message: string; severity?: 'error' | 'warning' },
): TemplateIssue {
  const { line, column } = position;
  return { path: `${file}:${line}:${column}`, severity: 'error', ...fault, file, line, column };
}

/** Converts a position within a text to the position in the file. */
export function positionWithin(start: Position, { line, column }: Position): Position {
  return { line: start.line + line - 1, column: line === 1 ? start.column + column - 1 : column };
}

/** One text of a template, with its name: `title`, `body` or for example `actions[0].url`. */
export interface TemplateText {
  readonly where: string;
  readonly text: string;
}

/** The texts of a template, in the order of its file. */
export function textsOf({ title, body, actions }: Pick<TemplateSource, 'title' | 'body' | 'actions'>): TemplateText[] {
  return [
    { where: 'title', text: title },
    { where: 'body', text: body },
    ...actions.flatMap(({ label, url }, index) => [
      { where: `actions[${index}].label`, text: label },
      { where: `actions[${index}].url`, text: url },
    ]),
  ];
}

/** Returns the syntax errors of one text of a template. `start` is its position in the file. */
export function syntaxIssues(
  file: string,
  { where, text, start }: { readonly where: string; readonly text: string; readonly start: Position },
): TemplateIssue[] {
  return parseSyntax(text).problems.map((problem) =>
    issueAt(file, positionWithin(start, problem), { message: `${where}: ${problem.message}` }),
  );
}

/**
 * Parses one file. If its form is not valid, returns no source, and all issues rather than the first one.
 *
 * @param file the file's name; without `.md` it is the name of the template
 */
export function parseTemplate(
  file: string,
  content: string,
): { source: TemplateSource | null; issues: TemplateIssue[] } {
  const wrong = (position: Position, message: string) => issueAt(file, position, { message });
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
  const parts = splitFile(text);
  if (parts === null) {
    const message = 'the header is missing; begin the file with "---", then for example "title: ...", then "---"';
    return { source: null, issues: [...issues, wrong(start, message)] };
  }
  const { body } = parts;
  const bodyPlace = { line: parts.bodyLine, column: 1 };
  const yaml = readFrontMatter(parts.yaml);
  issues.push(...yaml.problems.map(({ position, message }) => wrong(position, message)));
  const warnings = yaml.warnings.map(({ position, message }) =>
    issueAt(file, position, { message, severity: 'warning' }),
  );
  if (body.trim() === '') issues.push(wrong(bodyPlace, 'the body is empty; write the message below the header'));
  if (!yaml.header || issues.length > 0) {
    // Otherwise `checkTemplate` reports them, together with what else it finds.
    issues.push(
      ...warnings,
      ...syntaxIssues(file, { where: 'title', text: yaml.title, start: yaml.positions['title'] ?? start }),
    );
    issues.push(...syntaxIssues(file, { where: 'body', text: body, start: bodyPlace }));
    return { source: null, issues: issues.sort((a, b) => a.line - b.line || a.column - b.column) };
  }
  const origin = { file, positions: { ...yaml.positions, body: bodyPlace } };
  return { source: sourceOf({ name, body, origin, header: yaml.header }), issues: warnings };
}

/** The header between its two `---` lines, and the body without the blank lines around it; null without a header. */
function splitFile(text: string): { yaml: string; body: string; bodyLine: number } | null {
  const lines = text.split('\n');
  const isRule = (line: string | undefined) => line !== undefined && /^---[ \t]*$/.test(line);
  const end = lines.findIndex((line, index) => index > 0 && isRule(line));
  if (!isRule(lines[0]) || end < 0) return null;
  const yaml = lines.slice(1, end).map((line) => `${line}\n`);
  const first = lines.findIndex((line, index) => index > end && line.trim() !== '');
  const start = first < 0 ? end + 1 : first;
  return { yaml: yaml.join(''), body: lines.slice(start).join('\n').trimEnd(), bodyLine: start + 1 };
}

function sourceOf({
  name,
  body,
  origin,
  header,
}: {
  name: string;
  body: string;
  origin: TemplateOrigin;
  header: Header;
}): TemplateSource {
  const { methods, ttlSeconds, maxAttempts, sender, guard, example, labels: listed, ...options } = header;
  const texts = textsOf({ ...options, body });
  const parts = texts.flatMap(({ text }) => parseSyntax(text).parts);
  const used = requiredAndOptional(labelUses(parts));
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
    guard: guard ?? null,
    labels,
    optionalLabels: used.optional.filter((label) => !labels.includes(label)),
    dataFields: requiredData(pathUses(parts)),
    example: example ? exampleOf(example) : null,
    contentHash: createHash('sha256').update(JSON.stringify(content)).digest('hex'),
    origin,
  };
}

function exampleOf({ recipient = {}, labels = {}, data = null }: NonNullable<Header['example']>): TemplateExample {
  const given = Object.fromEntries(Object.entries(recipient).filter(([, value]) => value !== undefined));
  return { recipient: { id: 'example', email: 'kim@example.com', name: 'Kim Lee', ...given }, labels, data };
}
