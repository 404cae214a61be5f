/** The texts of template versions, each read from the database once: a version never changes. */
import type { Database } from '../database/statements.ts';
import { LruCache } from '../lru.ts';
import type { TemplateTexts } from '../templates/render.ts';

export interface TemplateVersions {
  /** Rejects when the database is away, or holds no such version; the next call tries again. */
  textsOf(template: string, version: number): Promise<TemplateTexts>;
}

const statement = {
  name: 'herald.version',
  text: 'SELECT template AS name, version, title, body, actions FROM herald.template_version WHERE template = $1 AND version = $2',
};

/** Versions that are kept; messages in flight pin few. */
const limit = 500;

export function createTemplateVersions(database: Database): TemplateVersions {
  const known = new LruCache<Promise<TemplateTexts>>(limit);

  async function read(template: string, version: number): Promise<TemplateTexts> {
    const [texts] = await database.run<TemplateTexts>(statement, [template, version]);
    if (texts === undefined) throw new Error(`template "${template}" has no version ${version}`);
    return texts;
  }

  return {
    textsOf(template, version) {
      const key = `${version} ${template}`;
      return known.get(key, () => {
        const reading = read(template, version);
        reading.catch(() => known.delete(key));
        return reading;
      });
    },
  };
}
