/** The colours of a brand stay readable, whatever they are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contrast, inkOn, shadeFor } from '../../src/templates/contrast.ts';
import { lookOf } from '../../src/templates/email-styles.ts';

const color = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);
const edges = ['#000000', '#ffffff', '#ffff00', '#777777', '#767676', '#ff0000', '#00ff00', '#0000ff', '#0b5cad'];

/** By the formula of WCAG 2.2, from the examples of its authors. */
test.each([
  ['#000000', '#ffffff', 21],
  ['#777777', '#ffffff', 4.48],
  ['#767676', '#ffffff', 4.54],
  ['#ff0000', '#ffffff', 4],
  ['#0000ff', '#ffffff', 8.59],
])('the contrast of %s and %s is %d', (one, other, expected) => {
  expect(contrast(one, other)).toBeCloseTo(expected, 1);
  expect(contrast(other, one)).toBe(contrast(one, other));
});

test('a shade is the colour itself where that suffices', () => {
  expect(shadeFor('#0b5cad', '#ffffff', 4.5)).toBe('#0b5cad');
  expect(shadeFor('#ffffff', '#161b22', 4.5)).toBe('#ffffff');
});

describe('for every colour of a brand', () => {
  const holds = (property: (brand: string) => void) => {
    edges.forEach(property);
    fc.assert(
      fc.property(color, (brand) => property(brand)),
      { numRuns: 2000 },
    );
  };

  test('the text on the button can be read, in light and in dark mode', () => {
    holds((brand) => {
      const { accent } = lookOf(brand, 'ltr');
      expect(accent.fill).toBe(brand);
      expect(contrast(accent.ink, accent.fill)).toBeGreaterThanOrEqual(4.5);
      const dark = darkRules(brand);
      expect(contrast(dark.ink, dark.fill)).toBeGreaterThanOrEqual(4.5);
    });
  });

  test('links can be read and buttons can be seen on their card, in light and in dark mode', () => {
    holds((brand) => {
      const { accent } = lookOf(brand, 'ltr');
      expect(contrast(accent.link, '#ffffff')).toBeGreaterThanOrEqual(4.5);
      expect(contrast(accent.edge, '#ffffff')).toBeGreaterThanOrEqual(3);
      const dark = darkRules(brand);
      expect(contrast(dark.link, '#161b22')).toBeGreaterThanOrEqual(4.5);
      expect(contrast(dark.edge, '#161b22')).toBeGreaterThanOrEqual(3);
    });
  });

  test('black or white is the ink, white where it suffices', () => {
    holds((brand) => {
      const ink = inkOn(brand);
      expect(ink === '#ffffff').toBe(contrast('#ffffff', brand) >= 4.5);
      expect(contrast(ink, brand)).toBeGreaterThanOrEqual(4.5);
    });
  });
});

test('the default colours are as readable', () => {
  const { accent } = lookOf(undefined, 'ltr');
  const dark = darkRules(undefined);
  expect(contrast(accent.ink, accent.fill)).toBeGreaterThanOrEqual(4.5);
  expect(contrast(dark.ink, dark.fill)).toBeGreaterThanOrEqual(4.5);
  expect(contrast(dark.link, '#161b22')).toBeGreaterThanOrEqual(4.5);
  expect(contrast(dark.edge, '#161b22')).toBeGreaterThanOrEqual(3);
});

/** As the style sheet says them. */
function darkRules(brand: string | undefined): { fill: string; edge: string; ink: string; link: string } {
  const { styleSheet } = lookOf(brand, 'ltr');
  const [, fill = '', edge = ''] =
    /\.ink \.button\{background-color:(#\w+)!important;border-color:(#\w+)!important\}/.exec(styleSheet) ?? [];
  const [, ink = ''] = /\.ink \.button a\{color:(#\w+)!important\}/.exec(styleSheet) ?? [];
  const [, link = ''] = /\.ink a\{color:(#\w+)!important\}/.exec(styleSheet) ?? [];
  return { fill, edge, ink, link };
}
