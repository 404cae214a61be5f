/** The TypeScript type of a template's data: its texts say which fields there are, its example what they hold. */
import type { JsonValue } from '../vocabulary.ts';
import type { PathUse } from './labels.ts';

/** What is known about one value within the data. */
interface Shape {
  /** Names of the primitive types that the example has here. */
  readonly primitives: Set<string>;
  readonly fields: Map<string, Shape>;
  elements: Shape | null;
  /** A text prints nothing without it. */
  required: boolean;
}

/**
 * Returns the type as source text, or null if neither the texts nor the example have any data. A field that no text
 * requires is optional, and so is all of the data; a value that only a text knows is any JSON.
 */
export function dataType(
  uses: readonly PathUse[],
  example: JsonValue,
): { readonly type: string; readonly required: boolean } | null {
  const ofData = uses.filter(({ path }) => path[0] === 'data');
  if (ofData.length === 0 && example === null) return null;
  const root = emptyShape();
  if (example !== null) addExample(root, example);
  for (const use of ofData) addUse(root, use);
  return { type: typeText(root), required: root.required };
}

function emptyShape(): Shape {
  return { primitives: new Set(), fields: new Map(), elements: null, required: false };
}

function addExample(shape: Shape, value: JsonValue): void {
  if (Array.isArray(value)) {
    const elements = (shape.elements ??= emptyShape());
    value.forEach((element) => addExample(elements, element));
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, field] of Object.entries(value)) addExample(fieldOf(shape, name), field);
  } else shape.primitives.add(value === null ? 'null' : typeof value);
}

function fieldOf(shape: Shape, name: string): Shape {
  const known = shape.fields.get(name);
  if (known) return known;
  const field = emptyShape();
  shape.fields.set(name, field);
  return field;
}

function addUse(root: Shape, { path, mayBeAbsent, conditionDepth }: PathUse): void {
  let loops = 0;
  let shape = root;
  root.required ||= !mayBeAbsent && loops > conditionDepth;
  for (const name of path.slice(1)) {
    const isElement = name === '[]' || /^\d+$/.test(name);
    // The length of a list is not a field of its own.
    if (name === 'length' && shape.elements !== null) return;
    shape = isElement ? (shape.elements ??= emptyShape()) : fieldOf(shape, name);
    if (name === '[]') loops += 1;
    // Inside a loop that begins within the condition, every element needs it.
    shape.required ||= !mayBeAbsent && loops > conditionDepth;
  }
}

function typeText({ primitives, fields, elements }: Shape, indent = '    '): string {
  const known = [...primitives].filter((name) => name !== 'null').sort();
  const alternatives = [
    ...known,
    ...(elements === null ? [] : [elementsText(fields, elements, indent)]),
    ...(elements === null && fields.size > 0 ? [objectText(fields, indent)] : []),
    ...(primitives.has('null') ? ['null'] : []),
  ];
  return alternatives.every((each) => each === 'null') ? 'JsonValue' : alternatives.join(' | ');
}

/** `{{#each}}` also takes an object; then the example's fields are its elements. */
function elementsText(fields: ReadonlyMap<string, Shape>, elements: Shape, indent: string): string {
  if (fields.size > 0)
    return `Readonly<Record<string, ${typeText([...fields.values()].reduce(merged, elements), indent)}>>`;
  const text = typeText(elements, indent);
  return text.includes(' | ') ? `readonly (${text})[]` : `readonly ${text}[]`;
}

function merged(a: Shape, b: Shape): Shape {
  const both = emptyShape();
  for (const { primitives, fields, elements } of [a, b]) {
    for (const name of primitives) both.primitives.add(name);
    for (const [name, field] of fields) {
      const known = both.fields.get(name);
      both.fields.set(name, known ? { ...merged(known, field), required: known.required || field.required } : field);
    }
    both.elements = both.elements && elements ? merged(both.elements, elements) : (both.elements ?? elements);
  }
  return both;
}

function objectText(fields: ReadonlyMap<string, Shape>, indent: string): string {
  const inner = `${indent}  `;
  const members = [...fields]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, field]) => `${inner}readonly ${keyText(name)}${field.required ? '' : '?'}: ${typeText(field, inner)};\n`,
    );
  return `{\n${members.join('')}${indent}}`;
}

/** A name as the key of an object, quoted if it is not an identifier. */
export function keyText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}
