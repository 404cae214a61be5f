/** `{{path value}}`: a value that is several segments of a URL's path. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRenderer } from '../../src/templates/render.ts';

const render = createRenderer();

function linked(v: string, url = '{{baseUrl}}/{{path labels.v}}/tree') {
  const content = render({
    template: { name: 'a', title: 'x', body: `[go](${url})`, actions: [{ label: 'Go', url }] },
    recipient: { id: 'u' },
    labels: { v },
    data: null,
    brand: { appName: 'App', baseUrl: 'https://app.example/base' },
    createdAt: new Date(0),
  });
  return {
    action: content.actions[0]?.url,
    html: /href="([^"]*)"/.exec(content.html)?.[1],
    markdown: content.markdown,
  };
}

describe('the helper path', () => {
  test.each([
    ['acme/api', 'acme/api'],
    ['feature/größe #1?', 'feature/gr%C3%B6%C3%9Fe%20%231%3F'],
    ['/leading//double/', 'leading/double'],
    ['../../admin', '%252E%252E/%252E%252E/admin'],
    ['a\\b', 'a%5Cb'],
  ])('keeps the slashes of %j and encodes the rest', (value, path) => {
    const url = `https://app.example/base/${path}/tree`;
    const { action, html, markdown } = linked(value);
    expect(action).toBe(url);
    expect(html).toBe(url);
    expect(markdown).toContain(path);
  });

  test('never changes the host, the query or the fragment, whatever the value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (value) => {
        const url = new URL(linked(value, 'https://host.example/{{path labels.v}}?q=1').action ?? '');
        expect([url.host, url.search, url.hash]).toEqual(['host.example', '?q=1', '']);
        expect(url.pathname.split('/')).not.toContain('..');
      }),
      { numRuns: 2000 },
    );
  });

  test('cannot be the host, nor be used inside another helper', () => {
    expect(() => linked('evil.example', 'https://{{path labels.v}}/x')).toThrow('host of the URL');
    expect(() => linked('x', '{{baseUrl}}/{{default (path labels.v) "x"}}')).toThrow('cannot be used inside');
  });
});
