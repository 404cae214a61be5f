/** Rendering on reading: nothing rendered is stored, so that erasing a person leaves nothing behind. */
import { type Connection, run } from '../database/caller-transaction.ts';
import { exactJson } from '../database/exact-json.ts';
import { createDelivery } from '../dispatch/delivery.ts';
import { LruCache } from '../lru.ts';
import { languageOf } from '../templates/choose-text.ts';
import { createRenderer, RenderError, type Renderer, titleOf } from '../templates/render.ts';
import { brandOf, readBrandFields } from '../tenants/tenant.ts';
import type { Brand, RenderedContent } from '../vocabulary.ts';
import type { Item, ItemSource, VersionTexts } from './item.ts';

/** Template versions in the cache. A version never changes. */
const maxVersions = 200;
/** What an inbox shows in place of a secret label, whose value is not stored for it. */
const redactedLabel = '••••••';

/** Renders items, in the order of their sources. Reads the template versions that it does not know yet. */
export type ItemRenderer = (tx: Connection, sources: readonly ItemSource[]) => Promise<Item[]>;

/** Creates a renderer of items with a cache of template versions. */
export function createItemRenderer(brand: Brand): ItemRenderer {
  const render = createRenderer();
  const versions = new LruCache<Promise<VersionTexts>>(maxVersions);

  function textsOf(tx: Connection, { template, version }: ItemSource): Promise<VersionTexts> {
    const key = `${version} ${template}`;
    return versions.get(key, () => {
      const reading = readTexts(tx, template, version);
      reading.catch(() => versions.delete(key));
      return reading;
    });
  }

  return async (tx, sources) => {
    const items: Item[] = [];
    // One after the other: a transaction runs one statement at a time.
    for (const source of sources)
      items.push(itemOf(source, contentOf(source, await textsOf(tx, source), { render, brand })));
    return items;
  };
}

async function readTexts(tx: Connection, template: string, version: number): Promise<VersionTexts> {
  const statement = { text: 'SELECT herald.inbox_texts($1::text, $2::text::integer)::text AS texts' };
  const [row] = await run<{ texts: string | null }>(tx, { ...statement, values: [template, String(version)] });
  if (row === undefined || row.texts === null) throw new Error(`template "${template}" has no version ${version}`);
  return JSON.parse(row.texts) as VersionTexts;
}

type ItemContent = Omit<RenderedContent, 'markdown' | 'words'>;

/** An item that cannot be rendered must not hide the others: it has the name of its template as title. */
function contentOf(
  source: ItemSource,
  texts: VersionTexts,
  { render, brand: application }: { readonly render: Renderer; readonly brand: Brand },
): ItemContent {
  const { id, template: name, version, group, recipient, labels, targets } = source;
  const createdAt = new Date(source.enqueuedAt);
  const data = exactJson(source.data);
  const brand = brandOf(application, readBrandFields(source.brand).own);
  const masked = Object.fromEntries(texts.secrets.map((secret) => [secret, redactedLabel]));
  try {
    const input = { template: texts, recipient, labels: { ...labels, ...masked }, data, targets, brand, createdAt };
    const content = render(input);
    const template = { name, version, group };
    const { actions } = source;
    const delivery = { messageId: id, method: 'inbox', template, recipient, content, actions, brand, createdAt };
    return createDelivery(delivery).content;
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    return { title: titleOf(name), text: '', html: '', actions: [], language: languageOf(texts), direction: 'ltr' };
  }
}

function itemOf(source: ItemSource, content: ItemContent): Item {
  const { id, template, group, targets, createdAt, seenAt, readAt, archivedAt } = source;
  const { title, text, html, actions, language, direction } = content;
  const rendered = { title, text, html, actions, language, direction };
  return { id, template, group, ...rendered, targets, createdAt, seenAt, readAt, archivedAt };
}
