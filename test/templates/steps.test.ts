/** `then:` in a header: what is read, what is refused, and what is probably a mistake. */
import { describe, expect, test } from 'vitest';
import { checkTemplate } from '../../src/templates/check.ts';
import { secondsAfter, stepText } from '../../src/templates/steps.ts';
import { parseTemplate } from '../../src/templates/template-file.ts';

const file = (then: string, methods = '[inbox]') =>
  `---\ntitle: x\nmethods: ${methods}\nthen: ${then}\nexample: { labels: {} }\n---\nBody\n`;
const read = (then: string, methods?: string) => parseTemplate('x.md', file(then, methods));

describe('the steps of a header', () => {
  test('are read in seconds, with their defaults', () => {
    const { source, issues } = read(
      '[{ after: 90s, unless: read, methods: [smtp] }, { after: 2h, methods: [sms, smtp], fallback: first }]',
    );
    expect(issues).toEqual([]);
    expect(source?.steps).toEqual([
      { afterSeconds: 90, unless: 'read', methods: ['smtp'], fallback: 'all' },
      { afterSeconds: 7200, unless: null, methods: ['sms', 'smtp'], fallback: 'first' },
    ]);
    expect(source?.steps?.map(stepText)).toEqual(['after 90 s, unless read: by smtp', 'after 2 h: by sms or smtp']);
  });

  test('are null for a header without any', () => {
    expect(parseTemplate('x.md', '---\ntitle: x\n---\nBody\n').source?.steps).toBeNull();
  });

  test.each([
    ['[{ after: 15, methods: [smtp] }]', /"then\[0\]\.after" must be a duration such as 15m/],
    ['[{ after: 31d, methods: [smtp] }]', /"then\[0\]\.after" must be a duration .*30d at most, not "31d"/],
    ['[{ after: 0s, methods: [smtp] }]', /must be a duration/],
    ['[{ after: 15m, methods: [] }]', /"then\[0\]\.methods" must name at least one method/],
    ['[{ after: 15m }]', /"then\[0\]\.methods" is missing/],
    [
      '[{ after: 15m, unless: opened, methods: [smtp] }]',
      /"then\[0\]\.unless" must be "seen", "read" or "acknowledged"/,
    ],
    ['[{ after: 15m, unles: read, methods: [smtp] }]', /"then\[0\]\.unles" is not a known key; did you mean "unless"/],
    ['[{ after: 2h, methods: [smtp] }, { after: 1h, methods: [smtp] }]', /"then" must be in the order of "after"/],
    [`[${Array.from({ length: 6 }, (_, n) => `{ after: ${n + 1}m, methods: [smtp] }`).join()}]`, /at most 5 entries/],
  ])('refuse %s', (then, message) => {
    const { source, issues } = read(then);
    expect(source).toBeNull();
    expect(issues.map((issue) => issue.message).join('\n')).toMatch(message);
  });

  test('that wait for the reading of an inbox item which nobody gets are worth a warning', () => {
    const warnings = (then: string, methods: string) => {
      const { source } = read(then, methods);
      return source === null ? null : checkTemplate(source).map(({ message }) => message);
    };
    expect(warnings('[{ after: 1h, unless: read, methods: [smtp] }]', '[webhook]')).toEqual([
      'then[0]: "unless: read" needs an earlier message by inbox, which nothing before it has',
    ]);
    expect(warnings('[{ after: 1h, unless: read, methods: [smtp] }]', '[webhook, inbox]')).toEqual([]);
    expect(warnings('[{ after: 1h, unless: acknowledged, methods: [smtp] }]', '[smtp]')).toEqual([]);
  });
});

test.each([
  ['1s', 1],
  ['15m', 900],
  ['30d', 2_592_000],
  ['15', null],
  ['1.5h', null],
  ['-1h', null],
  ['1w', null],
])('%s is %s seconds', (text, seconds) => {
  expect(secondsAfter(text)).toBe(seconds);
});
