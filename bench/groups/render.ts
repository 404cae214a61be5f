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
    const one: TemplateTexts = { name, title, body, actions };
    const texts = layoutLanguages.slice(1).map((language) => ({ language, title, body, actions }));
    const count = share(setting, 40_000);
    const contender = (of: string, template: TemplateTexts): Contender => ({
      name: of,
      measure: () => Promise.resolve(emailsPerSecond(template, example?.labels ?? {}, count)),
    });
    const contenders = [contender('ours', { ...one, texts }), contender('one language', one)];
    const figures = await interleave(contenders, setting.size.rounds, setting.progress);
    return [compared('render.languages', figures, 'ours', 'one language')];
  },
};

/** The same mixed recipients for both, so that only the choice and the words differ. */
function emailsPerSecond(template: TemplateTexts, labels: Readonly<Record<string, string>>, count: number): number {
  const render = createRenderer();
  const startedAt = performance.now();
  for (let number = 0; number < count; number++) {
    const recipient = { id: 'u', name: `Reader ${number}`, locale: locales[number % locales.length] ?? 'en' };
    const content = render({ template, recipient, labels, data: null, brand, createdAt });
    renderEmail({ content, brand, createdAt });
  }
  return (1000 * count) / (performance.now() - startedAt);
}
