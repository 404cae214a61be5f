/** Rendering alone, in this process: what the languages of a version cost. */
import { type Contender, compared, interleave } from '../measure.ts';
import { share } from '../setting.ts';
import { renderEmail } from '../../src/templates/email.ts';
import { layoutLanguages } from '../../src/templates/layout-words.ts';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { createRenderer, type TemplateTexts } from '../../src/templates/render.ts';
import type { Group } from './group.ts';

const brand = { appName: 'Acme', baseUrl: 'https://acme.example' };
const createdAt = new Date('2026-01-15T09:30:00Z');
/** Recipients of each language, all from the country that the language is named for. */
const locales = layoutLanguages.map((language) => new Intl.Locale(language).maximize().toString());

export const renderGroup: Group = {
  rows: ['render.languages'],
  async run(setting) {
    const { sources } = await readTemplates(shippedTemplatesFolder);
    const source = sources.find(({ name }) => name === 'workspace-deletion-scheduled');
    if (source === undefined) throw new Error('the template of the benchmark is gone');
    const { title, body, actions, name, example } = source;
    const alone = layoutLanguages.map((language): TemplateTexts => ({ name, language, title, body, actions }));
    const [first, ...texts] = alone;
    const together = { name, title, body, actions, ...first, texts };
    const count = share(setting, 40_000);
    const contender = (of: string, templateOf: (language: number) => TemplateTexts): Contender => ({
      name: of,
      measure: () => Promise.resolve(emailsPerSecond(templateOf, example?.labels ?? {}, count)),
    });
    const contenders = [
      contender('ours', () => together),
      contender('one language', (language) => alone[language] ?? together),
    ];
    const figures = await interleave(contenders, setting.size.rounds, setting.progress);
    return [compared('render.languages', figures, 'ours', 'one language')];
  },
};

/** The same emails for both, so that only the choice of the language differs. */
function emailsPerSecond(
  templateOf: (language: number) => TemplateTexts,
  labels: Readonly<Record<string, string>>,
  count: number,
): number {
  const render = createRenderer();
  const startedAt = performance.now();
  for (let number = 0; number < count; number++) {
    const language = number % locales.length;
    const recipient = { id: 'u', name: `Reader ${number}`, locale: locales[language] ?? 'en' };
    const content = render({ template: templateOf(language), recipient, labels, data: null, brand, createdAt });
    renderEmail({ content, brand, createdAt });
  }
  return (1000 * count) / (performance.now() - startedAt);
}
