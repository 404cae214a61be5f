/** One template file: a YAML header between `---` lines, then Markdown. */
import { createHash } from 'node:crypto';
import { defaultLanguage } from './choose-text.ts';
import { templateNamePattern } from './define.ts';
import { type FrontMatter, readFrontMatter } from './front-matter.ts';
import { type Header, readHeader, type ReadHeader } from './header.ts';
import { labelUses, pathUses, requiredAndOptional, requiredData } from './labels.ts';
import { parseSyntax } from './parse.ts';
import { stepsOf } from './steps.ts';
import type { Position } from './syntax.ts';
import type { TemplateExample, TemplateIssue, TemplateOrigin, TemplateSource } from './template-source.ts';

export type {
  TemplateExample,
  TemplateIssue,
  TemplateOrigin,
  TemplateSource,
  TemplateTranslation,
} from './template-source.ts';

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

/** What `textsOf` returns the texts of. */
export type WithTexts = Pick<TemplateSource, 'title' | 'preview' | 'body' | 'actions'>;

/** The texts of a template, in the order of its file. */
export function textsOf({ title, preview, body, actions }: WithTexts): TemplateText[] {
  return [
    { where: 'title', text: title },
    ...(preview === null ? [] : [{ where: 'preview', text: preview }]),
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
  const name = file.replace(/^.*[\\/]/, '').replace(/\.md$/i, '');
  const message = `"${name}" is not a template name; use lower-case letters, digits and hyphens`;
  const issues = templateNamePattern.test(name) ? [] : [issueAt(file, { line: 1, column: 1 }, { message })];
  const read = readParts(file, content, { read: readHeader, issues });
  if (!read.parts) return { source: null, issues: read.issues };
  return { source: sourceOf({ name, ...read.parts }), issues: read.issues };
}

/** The header, body and positions of a file. */
export interface FileParts<T> {
  readonly header: T;
  readonly body: string;
  readonly origin: TemplateOrigin;
}

/**
 * Reads the two parts of a file. If its form is not valid, returns none, and all issues.
 *
 * @param options.read validates the header.
 * @param options.issues what is wrong with the name of the file.
 */
export function readParts<T extends { readonly actions: readonly unknown[] }>(
  file: string,
  content: string,
  options: { readonly read: (value: unknown) => ReadHeader<T>; readonly issues: readonly TemplateIssue[] },
): { parts: FileParts<T> | null; issues: TemplateIssue[] } {
  const wrong = (position: Position, message: string) => issueAt(file, position, { message });
  const start = { line: 1, column: 1 };
  const issues = [...options.issues];
  if (Buffer.byteLength(content) > maximumFile) {
    return { parts: null, issues: [wrong(start, `the file is larger than ${maximumFile / 1024} KB`)] };
  }
  const text = content.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n');
  const parts = splitFile(text);
  if (parts === null) {
    const message = 'the header is missing; begin the file with "---", then for example "title: ...", then "---"';
    return { parts: null, issues: [...issues, wrong(start, message)] };
  }
  const { body } = parts;
  const bodyPlace = { line: parts.bodyLine, column: 1 };
  const yaml = readFrontMatter(parts.yaml, options.read);
  issues.push(...yaml.problems.map(({ position, message }) => wrong(position, message)));
  const warnings = yaml.warnings.map(({ position, message }) =>
    issueAt(file, position, { message, severity: 'warning' }),
  );
  if (body.trim() === '') issues.push(wrong(bodyPlace, 'the body is empty; write the message below the header'));
  if (!yaml.header || issues.length > 0) {
    // Otherwise `checkTemplate` reports them, together with what else it finds.
    issues.push(...warnings, ...textIssues(file, yaml, { body, bodyPlace }));
    return { parts: null, issues: issues.sort((a, b) => a.line - b.line || a.column - b.column) };
  }
  const origin = { file, positions: { ...yaml.positions, body: bodyPlace } };
  return { parts: { header: yaml.header, body, origin }, issues: warnings };
}

function textIssues(
  file: string,
  { title, positions }: FrontMatter<unknown>,
  { body, bodyPlace }: { readonly body: string; readonly bodyPlace: Position },
): TemplateIssue[] {
  return [
    ...syntaxIssues(file, { where: 'title', text: title, start: positions['title'] ?? { line: 1, column: 1 } }),
    ...syntaxIssues(file, { where: 'body', text: body, start: bodyPlace }),
  ];
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

function sourceOf({ name, body, origin, header }: FileParts<Header> & { readonly name: string }): TemplateSource {
  const {
    preview = null,
    methods,
    ttlSeconds,
    maxAttempts,
    sender,
    guard,
    example,
    then,
    labels: listed,
    ...options
  } = header;
  return withUses(
    {
      name,
      body,
      ...options,
      preview,
      methods: methods ?? null,
      ttlSeconds: ttlSeconds ?? null,
      maxAttempts: maxAttempts ?? null,
      sender: sender ?? null,
      steps: stepsOf(then),
      guard: guard ?? null,
      words: null,
      translations: [],
      example: example ? exampleOf(example) : null,
      origin,
    },
    listed,
  );
}

type WithoutUses = Omit<TemplateSource, 'labels' | 'optionalLabels' | 'dataFields' | 'contentHash'>;

/**
 * Adds what the texts of all languages need, and their hash.
 *
 * @param listed labels that are needed, whatever the texts use.
 */
export function withUses(source: WithoutUses, listed: readonly string[]): TemplateSource {
  const texts = [source, ...source.translations].flatMap(textsOf);
  const parts = texts.flatMap(({ text }) => parseSyntax(text).parts);
  const used = requiredAndOptional(labelUses(parts));
  const labels = [...new Set([...used.required, ...listed])].sort();
  return {
    ...source,
    labels,
    optionalLabels: used.optional.filter((label) => !labels.includes(label)),
    dataFields: requiredData(pathUses(parts)),
    contentHash: hashOf(source, labels),
  };
}

/** A template in English alone has the hash that it had before there were languages. */
function hashOf(source: WithoutUses, labels: string[]) {
  const { title, preview, body, actions, secrets, language, words, translations } = source;
  const previewOf = (text: WithTexts) => (text.preview === null ? [] : [text.preview]);
  const further = translations.map((text) => [
    ...[text.language, text.title, text.body, text.actions, text.words],
    ...previewOf(text),
  ]);
  const plain = language === defaultLanguage && words === null && preview === null && further.length === 0;
  const more = plain ? [] : [language, words, further, ...previewOf(source)];
  const content = [title, body, actions, labels, secrets, ...more];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

/** The example of a header, with defaults filled in. */
export function exampleOf({
  recipient = {},
  labels = {},
  data = null,
}: NonNullable<Header['example']>): TemplateExample {
  const given = Object.fromEntries(Object.entries(recipient).filter(([, value]) => value !== undefined));
  return { recipient: { id: 'example', email: 'kim@example.com', name: 'Kim Lee', ...given }, labels, data };
}
