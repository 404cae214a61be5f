import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';

const index = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The tables of docs/README.md: one group each, its pages in their order. */
const sidebar = [...index.matchAll(/^\| ([^|[]+?) \| \|\n\|---\|---\|\n((?:\|.*\n)+)/gm)].map(
  ([, text = '', rows = '']) => ({
    text,
    items: [...rows.matchAll(/^\| \[([^\]]+)\]\(([\w-]+)\.md\)/gm)].map(([, title = '', page = '']) => ({
      text: title.replaceAll('`', ''),
      link: `/docs/${page}`,
    })),
  }),
);

export default defineConfig({
  title: 'pg-herald',
  description: 'Notifications inside your own Postgres',
  srcDir: '.source',
  outDir: 'dist',
  cleanUrls: true,
  lastUpdated: false,
  // Placeholders of templates are text here, not expressions of Vue.
  markdown: { config: (md) => void md.use(inertPlaceholders) },
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Documentation', link: '/docs/' },
      { text: 'API', link: '/docs/api/' },
      { text: 'Changes', link: '/CHANGELOG' },
    ],
    sidebar: [
      ...sidebar,
      {
        text: 'API',
        items: [
          { text: 'pg-herald', link: '/docs/api/' },
          { text: 'pg-herald/console', link: '/docs/api/console' },
          { text: 'pg-herald/recipients', link: '/docs/api/recipients' },
          { text: 'pg-herald/reports', link: '/docs/api/reports' },
          { text: 'pg-herald/testing', link: '/docs/api/testing' },
          { text: 'pg-herald/schema', link: '/docs/api/database/schema' },
        ],
      },
    ],
    outline: [2, 3],
  },
});

interface Token {
  type: string;
  content: string;
}
interface Renderer {
  rules: Record<string, (tokens: Token[], index: number, ...rest: never[]) => string>;
}

/** Vue would evaluate `{{ }}` in text and inline code. */
function inertPlaceholders(md: { renderer: Renderer; utils: { escapeHtml(text: string): string } }): void {
  const inert = (text: string) => md.utils.escapeHtml(text).replaceAll('{', '&#123;');
  md.renderer.rules['text'] = (tokens, index) => inert(tokens[index]?.content ?? '');
  md.renderer.rules['code_inline'] = (tokens, index) => `<code v-pre>${inert(tokens[index]?.content ?? '')}</code>`;
}
