/**
 * Every shipped template, rendered with its own example, compared with `golden/`. After a wanted change:
 * `UPDATE_GOLDEN=1 npx vitest run test/templates/shipped.test.ts`, then read the difference before committing it.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkTemplate, inLanguage, renderExample } from '../../src/templates/check.ts';
import { requiredLanguageIssues } from '../../src/templates/compare-languages.ts';
import { maximumEmailHtml } from '../../src/templates/email.ts';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { invalid, unsupported } from '../support/email-lint.ts';

const golden = fileURLToPath(new URL('./golden/', import.meta.url));
const update = process.env['UPDATE_GOLDEN'] === '1';
const { sources, issues } = await readTemplates(shippedTemplatesFolder);
const written = new Set<string>();

async function expectGolden(file: string, actual: string): Promise<void> {
  written.add(file);
  if (update) await writeFile(golden + file, actual);
  expect(actual).toBe(await readFile(golden + file, 'utf8'));
}

describe('the shipped templates', () => {
  beforeAll(async () => {
    if (update) await rm(golden, { recursive: true, force: true });
    if (update) await mkdir(golden);
  });

  it('are all there, and sound', () => {
    expect(issues).toEqual([]);
    expect(sources.map((source) => source.name)).toEqual([
      'account-activated',
      'account-created',
      'account-deleted',
      'account-suspended',
      'build-failed',
      'custom-notice',
      'endpoint-disabled',
      'password-reset',
      'test-notification',
      'weekly-build-report',
      'workspace-deleted',
      'workspace-deletion-scheduled',
      'workspace-dormant',
    ]);
  });

  it('are in English and German', () => {
    expect(requiredLanguageIssues(sources, ['en', 'de'])).toEqual([]);
  });

  const brand = { appName: 'Buildyard', baseUrl: 'https://buildyard.example.com' };
  const german = sources.flatMap((source) => source.translations.map((text) => inLanguage(source, text)));
  it.each(german)('$name renders in German as before, and email programs can show it', async (source) => {
    const { email } = renderExample(source, brand);
    await expectGolden(`${source.name}.de.mail.txt.golden`, `${email.subject}\n\n${email.text}`);
    expect(invalid(email.html)).toEqual([]);
    expect(unsupported(email.html)).toEqual([]);
  });

  describe.each(sources)('$name', (source) => {
    const { content, email } = renderExample(source, brand);

    it('passes its own check', () => {
      expect(checkTemplate(source)).toEqual([]);
    });

    it('renders as before', async () => {
      const { title, markdown, text, actions } = content;
      const listed = actions.map((action) => `${action.label} -> ${action.url}`).join('\n');
      await expectGolden(`${source.name}.md.golden`, `${title}\n\n${markdown}\n\n${listed}\n`);
      await expectGolden(`${source.name}.txt.golden`, `${text}\n`);
      await expectGolden(`${source.name}.html.golden`, `${content.html}\n`);
      await expectGolden(`${source.name}.mail.txt.golden`, email.text);
      await expectGolden(`${source.name}.mail.html.golden`, email.html);
    });

    it('is a valid email that email programs can show', () => {
      expect(invalid(email.html)).toEqual([]);
      expect(unsupported(email.html)).toEqual([]);
      expect(Buffer.byteLength(email.html)).toBeLessThan(maximumEmailHtml / 5);
    });
  });

  afterAll(async () => {
    expect((await readdir(golden)).sort()).toEqual([...written].sort());
  });
});

describe('the lint', () => {
  it('finds what is wrong', () => {
    expect(
      invalid('<!DOCTYPE html><html lang="en"><head><title>x</title></head><body><p><div>x</div></p></body></html>'),
    ).not.toEqual([]);
    expect(unsupported('<html><body><div style="display:grid">x</div></body></html>')).not.toEqual([]);
  });
});
