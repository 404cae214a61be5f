/** Every time zone and every emoji that this release of Node knows. */
import { describe, expect, test } from 'vitest';
import { cut } from '../../src/templates/escape.ts';
import { createFormatters } from '../../src/templates/formatters.ts';
import { createRenderer } from '../../src/templates/render.ts';

const formatters = createFormatters();

describe('time zones', () => {
  const zones = Intl.supportedValuesOf('timeZone');

  test('are hundreds', () => {
    expect(zones.length).toBeGreaterThan(400);
  });

  test.each(zones)('%s is honoured, in winter and in summer', (timeZone) => {
    for (const at of ['2026-01-15T09:30:00Z', '2026-07-15T22:05:00Z']) {
      const options = new Map([['style', 'short']]);
      const printed = formatters.apply('date', [at], { options, localeContext: { locale: 'en-GB', timeZone } });
      // The same by the offset of the zone, without the formatter's own fields.
      const offset = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).format(new Date(at));
      const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(offset) ?? [];
      const shift = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * (sign === '-' ? -1 : 1);
      const [date = '', time = ''] = new Date(Date.parse(at) + shift * 60_000).toISOString().split(/[TZ]/);
      expect(printed).toContain(`${date.split('-').reverse().join('/')}, ${time.slice(0, 5)}`);
    }
  });
});

// The compiler's target does not have the flag yet.
const single = new RegExp('^\\p{RGI_Emoji}$', 'v');

function emoji(): string[] {
  const points: string[] = [];
  for (let code = 0x23; code <= 0x1faff; code += 1) {
    const character = String.fromCodePoint(code);
    if (/^\p{Emoji}$/u.test(character)) points.push(character);
  }
  const variants = points.flatMap((point) => [point, `${point}\ufe0f`, `${point}\ufe0f\u20e3`]);
  const toned = points
    .filter((point) => /^\p{Emoji_Modifier_Base}$/u.test(point))
    .flatMap((point) => ['🏻', '🏼', '🏽', '🏾', '🏿'].map((tone) => point + tone));
  const letters = Array.from({ length: 26 }, (_, index) => String.fromCodePoint(0x1f1e6 + index));
  const flags = letters.flatMap((a) => letters.map((b) => a + b));
  const people = [...points.filter((point) => /^\p{Emoji_Modifier_Base}$/u.test(point)), ...toned];
  const second = [...points, ...points.map((point) => `${point}\ufe0f`)];
  const joined = people.flatMap((person) => second.map((other) => `${person}\u200d${other}`));
  const known = ['👨‍👩‍👧‍👦', '👩‍❤️‍💋‍👨', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🏳️‍🌈', '🏴‍☠️', '👩🏽‍🤝‍👨🏿'];
  return [...new Set([...variants, ...toned, ...flags, ...joined, ...known])].filter((text) => single.test(text));
}

describe('emoji', () => {
  const all = emoji();

  test('are thousands', () => {
    expect(all.length).toBeGreaterThan(2500);
  });

  test('stay whole where a text is cut, and letter for letter in every form', () => {
    const render = createRenderer();
    const template = { name: 'a', title: '{{labels.v}}', body: '{{labels.v}}', actions: [] };
    const brand = { appName: 'App', baseUrl: 'https://app.example' };
    const wrong = all.filter((one) => {
      const line = one.repeat(60);
      const shortened = cut(line, 50).slice(0, -1);
      if (line.length > 50 && shortened.replaceAll(one, '') !== '') return true;
      const content = render({
        template,
        recipient: { id: 'u' },
        labels: { v: one },
        data: null,
        brand,
        createdAt: new Date(0),
      });
      return content.title !== one || content.text !== one || !content.html.includes(one);
    });
    expect(wrong).toEqual([]);
  });
});
