/**
 * One template in seven languages, rendered as emails and compared with `golden-languages/`. After a wanted change:
 * `UPDATE_GOLDEN=1 npx vitest run test/templates/languages.test.ts`, then read the difference before committing it.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkTemplate, inLanguage, renderExample } from '../../src/templates/check.ts';
import { renderEmail } from '../../src/templates/email.ts';
import { readTemplates } from '../../src/templates/files.ts';
import { languageOf } from '../../src/templates/choose-text.ts';
import { createRenderer, type TemplateTexts } from '../../src/templates/render.ts';
import type { TemplateSource } from '../../src/templates/template-file.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const golden = here('./golden-languages/');
const update = process.env['UPDATE_GOLDEN'] === '1';
const { sources, issues } = await readTemplates(here('./languages'));
const source = sources[0] as TemplateSource;
const brand = { appName: 'Acme', baseUrl: 'https://acme.example' };
const createdAt = new Date('2026-12-24T08:00:00Z');
const unsubscribeUrl = 'https://acme.example/u/1';
const written = new Set<string>();

async function expectGolden(file: string, actual: string): Promise<void> {
  written.add(file);
  if (update) await writeFile(golden + file, actual);
  expect(actual).toBe(await readFile(golden + file, 'utf8'));
}

/** What the worker has: all languages of a version. */
const stored: TemplateTexts = { ...source, texts: source.translations };

describe('a template in several languages', () => {
  beforeAll(async () => {
    if (update) await rm(golden, { recursive: true, force: true });
    if (update) await mkdir(golden);
  });

  it('has them all, and each is sound', () => {
    expect(issues).toEqual([]);
    expect([source, ...source.translations].map(languageOf)).toEqual(['en', 'ar', 'de', 'he', 'ja', 'pl', 'pt-BR']);
    expect(checkTemplate(source)).toEqual([]);
  });

  it.each([
    ['en', 'ltr', 'en-GB'],
    ['ar', 'rtl', 'ar-EG'],
    ['de', 'ltr', 'de_AT.UTF-8'],
    ['he', 'rtl', 'iw_IL'],
    ['ja', 'ltr', 'ja-JP'],
    ['pl', 'ltr', 'pl'],
    ['pt-BR', 'ltr', 'pt_BR'],
  ])('is an email in %s', async (language, direction, locale) => {
    const example = source.example ?? { recipient: { id: 'x' }, labels: {}, data: null };
    const recipient = { ...example.recipient, locale };
    const content = createRenderer()({ template: stored, ...example, recipient, brand, createdAt });
    expect(content).toMatchObject({ language, direction });
    const email = renderEmail({ content, brand, createdAt, unsubscribeUrl });
    await expectGolden(`${language}.mail.txt.golden`, `${email.subject}\n\n${email.text}`);
    await expectGolden(`${language}.mail.html.golden`, email.html);
  });

  it('has the plural forms of each language for 0, 1, 2, 5, 22 and 100', async () => {
    const render = createRenderer();
    const example = source.example ?? { recipient: { id: 'x' }, labels: {}, data: null };
    const titles = ['en', 'ar', 'de', 'he', 'ja', 'pl', 'pt-BR'].flatMap((locale) =>
      [0, 1, 2, 5, 22, 100].map((count) => {
        const data = { ...(example.data as object), count };
        const recipient = { id: 'x', locale };
        return `${locale} ${render({ template: stored, ...example, recipient, data, brand, createdAt }).title}`;
      }),
    );
    await expectGolden('plurals.txt.golden', `${titles.join('\n')}\n`);
  });

  it('is previewed in each language, with the example of its file', () => {
    const german = source.translations.filter(({ language }) => language === 'de');
    const [view] = german.map((translation) => inLanguage(source, translation));
    expect(renderExample(view ?? source).content).toMatchObject({
      language: 'de',
      title: expect.stringContaining('Dateien'),
    });
    expect(renderExample(source).content).toMatchObject({ language: 'en' });
  });

  afterAll(async () => {
    expect((await readdir(golden)).sort()).toEqual([...written].sort());
  });
});
