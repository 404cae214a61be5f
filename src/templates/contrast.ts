/** Contrast of colours as WCAG 2.2 defines it, and the nearest shade that has enough of it. Pure. */

type Rgb = readonly [red: number, green: number, blue: number];

/** Text of normal size needs it (WCAG 2.2, 1.4.3). */
export const textContrast = 4.5;
/** The shape of a button needs it against what surrounds it (WCAG 2.2, 1.4.11). */
export const shapeContrast = 3;

/** The contrast of two colours such as `#0b5cad`, from 1 to 21. */
export function contrast(one: string, other: string): number {
  const [a, b] = [luminance(parse(one)), luminance(parse(other))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

/** White, or black where white could not be read. One of the two always has a contrast of 4.58 or more. */
export function inkOn(background: string): '#ffffff' | '#000000' {
  return contrast('#ffffff', background) >= textContrast ? '#ffffff' : '#000000';
}

const steps = 128;

/**
 * The colour, or the shade nearest to it that has the contrast against the background: darker on a light background,
 * lighter on a dark one.
 */
export function shadeFor(color: string, background: string, atLeast: number): string {
  if (contrast(color, background) >= atLeast) return color.toLowerCase();
  const from = parse(color);
  const toward: Rgb = luminance(parse(background)) > 0.18 ? [0, 0, 0] : [255, 255, 255];
  // The contrast grows with the share of black or white, or falls first where the colour is on the other side.
  let [low, high] = [0, steps];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (suffices(mix(from, toward, middle / steps))) high = middle;
    else low = middle;
  }
  return format(mix(from, toward, high / steps));

  function suffices(rgb: Rgb): boolean {
    return contrast(format(rgb), background) >= atLeast;
  }
}

function parse(color: string): Rgb {
  const value = Number.parseInt(color.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function format(rgb: Rgb): string {
  return `#${rgb.map((channel) => Math.round(channel).toString(16).padStart(2, '0')).join('')}`;
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const at = (channel: 0 | 1 | 2) => from[channel] + (to[channel] - from[channel]) * share;
  return [at(0), at(1), at(2)];
}

/** Relative luminance, from 0 (black) to 1 (white). */
function luminance(rgb: Rgb): number {
  const [red = 0, green = 0, blue = 0] = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
