/** Reads groups of header fields, as the parts of RFC 3464 and RFC 5965 have them. Pure, and linear in their length. */

/** Fields by name in lower case; each has its values in their order. */
export type Fields = ReadonlyMap<string, readonly string[]>;

const mostGroups = 50;
const mostFields = 100;
const mostCharacters = 2048;

/** The groups of a text, which blank lines separate. Lines that are not fields are left out. */
export function fieldGroups(text: string): Fields[] {
  const groups: Map<string, string[]>[] = [];
  let group: Map<string, string[]> | null = null;
  let values: string[] | null = null;
  for (const line of text.split(/\r\n|\n|\r/)) {
    if (line.trim() === '') {
      [group, values] = [null, null];
      continue;
    }
    if (/^[ \t]/.test(line)) {
      appendTo(values, line);
      continue;
    }
    const [, name = '', value = ''] = /^([!-9;-~]{1,80})[ \t]*:(.*)$/s.exec(line) ?? [];
    values = null;
    if (name === '') continue;
    if (group === null) {
      if (groups.length === mostGroups) break;
      group = new Map();
      groups.push(group);
    }
    values = valuesOf(group, name.toLowerCase());
    values?.push(value.slice(0, mostCharacters).trim());
  }
  return groups;
}

/** The first value of a field; null if there is none. */
export function field(fields: Fields | undefined, name: string): string | null {
  return fields?.get(name)?.[0] ?? null;
}

function valuesOf(group: Map<string, string[]>, name: string): string[] | null {
  const known = group.get(name);
  if (known !== undefined) return known.length < mostFields ? known : null;
  if (group.size === mostFields) return null;
  const values: string[] = [];
  group.set(name, values);
  return values;
}

/** A continuation line (RFC 5322, section 2.2.3). */
function appendTo(values: string[] | null, line: string): void {
  const last = values?.at(-1);
  if (values === null || last === undefined || last.length >= mostCharacters) return;
  values[values.length - 1] = `${last} ${line.trim()}`.slice(0, mostCharacters);
}

/** The value behind the type of a field such as `rfc822; ada@example.com` or `dns; mx.example.com`. */
export function typed(value: string | null): { readonly type: string; readonly value: string } | null {
  if (value === null) return null;
  const at = value.indexOf(';');
  return at < 0 ? null : { type: value.slice(0, at).trim().toLowerCase(), value: value.slice(at + 1).trim() };
}

/**
 * The addresses that an address field may mean: as it stands, and with xtext (RFC 3461, section 4) or the `\x{...}` of
 * RFC 6533, section 3, decoded. Servers encode one field and not the other, and an address may look encoded.
 */
export function addressesIn(value: string | null): string[] {
  const found = typed(value);
  if (found === null) return [];
  const decoded =
    found.type === 'utf-8'
      ? found.value.replace(/\\x\{([0-9a-f]{2,6})\}/gi, (whole, hex: string) => characterOf(hex, whole))
      : found.value.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return [...new Set([found.value, decoded])];
}

function characterOf(hex: string, otherwise: string): string {
  const point = Number.parseInt(hex, 16);
  return point > 0x10ffff ? otherwise : String.fromCodePoint(point);
}
