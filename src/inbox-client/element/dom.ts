/** Builds elements without markup: nothing that a Content-Security-Policy or Trusted Types would refuse. */

type Listener = (event: Event) => void;

/** Attributes by name; null and false leave one out. A function is a listener of the event of that name. */
export type Attributes = Readonly<Record<string, string | boolean | null | Listener>>;

/** An HTML element with attributes and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else setAttribute(element, name, value);
  }
  element.append(...children);
  return element;
}

/** Sets an attribute, or removes it if the value is null or false. */
export function setAttribute(element: Element, name: string, value: string | boolean | null): void {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? '' : value);
}

/** Sets the text if it differs, so that a selection in it survives. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const svgNamespace = 'http://www.w3.org/2000/svg';

/** The outlines of the icons, each in a square of 24. */
const outlines = {
  bell: 'M18 16v-5a6 6 0 0 0-12 0v5l-2 2h16zM10 21a2 2 0 0 0 4 0',
  check: 'M5 13l4 4 10-10',
  undo: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z',
  archive: 'M4 5h16v4H4zM6 9v10h12V9M10 13h4',
  close: 'M6 6l12 12M18 6L6 18',
} as const;

/** The name of an icon. */
export type IconName = keyof typeof outlines;

/** A drawn icon, hidden from screen readers. */
export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS(svgNamespace, 'svg');
  const path = document.createElementNS(svgNamespace, 'path');
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', width: '20', height: '20', 'aria-hidden': 'true' }))
    svg.setAttribute(key, value);
  for (const [key, value] of Object.entries({ d: outlines[name], fill: 'none', stroke: 'currentColor' }))
    path.setAttribute(key, value);
  path.setAttribute('stroke-width', '1.75');
  path.setAttribute('stroke-linecap', 'round');
  path.setAttribute('stroke-linejoin', 'round');
  svg.append(path);
  return svg;
}
