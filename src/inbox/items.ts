/** A reader's items, read and marked in the caller's transaction or on a pool. */
import { type Connection, run } from '../database/caller-transaction.ts';
import { InvalidNotificationError } from '../errors.ts';
import { checkBrand } from '../templates/brand.ts';
import type { Brand } from '../vocabulary.ts';
import { cursorAfter, placeOf } from './cursor.ts';
import { checkedMark, checkedQuery, checkedReader } from './input.ts';
import type { ItemCounts, ItemSource, Reader } from './item.ts';
import { createItemRenderer, type ItemRenderer } from './render-items.ts';
import type { ItemPage, ItemQuery, Marked, MarkRequest } from './requests.ts';

/** Reads and marks items. See `createItems`. */
export interface Items {
  /**
   * Returns a page of a reader's items.
   * @throws {InvalidNotificationError} if the query is wrong.
   */
  list(tx: Connection, query: ItemQuery): Promise<ItemPage>;
  /**
   * Returns the exact counts.
   * @throws {InvalidNotificationError} if the reader is wrong.
   */
  count(tx: Connection, reader: Reader): Promise<ItemCounts>;
  /**
   * Marks items, and returns the counts after it. One statement.
   * @throws {InvalidNotificationError} if the request is wrong.
   */
  mark(tx: Connection, request: MarkRequest): Promise<Marked>;
}

/**
 * Creates what reads and marks items, for pages that the server renders and for transactions of the application:
 * `items.mark(tx, { recipientId, as: 'read', target: workspace.id })`. It holds no connection.
 *
 * @throws {ConfigurationError} if the brand is wrong.
 */
export function createItems({ brand }: { readonly brand: Brand }): Items {
  checkBrand(brand);
  return itemsOf(createItemRenderer(brand));
}

/** The same with a renderer that others share. */
export function itemsOf(render: ItemRenderer): Items {
  return {
    list: async (tx, query) => readPage(tx, checkedQuery(query), render),
    count: async (tx, reader) => readCounts(tx, checkedReader(reader)),
    mark: async (tx, request) => mark(tx, checkedMark(request)),
  };
}

const defaultLimit = 20;

interface PageRow {
  readonly token: string;
  readonly unread: string;
  readonly unseen: string;
  readonly items: string;
}

async function readPage(tx: Connection, query: ItemQuery, render: ItemRenderer): Promise<ItemPage> {
  const { recipientId, tenant, status = 'inbox', template, group, target, cursor, limit = defaultLimit } = query;
  const place = cursor === undefined ? null : placeOf(cursor);
  if (cursor !== undefined && place === null)
    throw new InvalidNotificationError([{ path: 'cursor', message: 'is not the "next" of a page' }]);
  // One more tells whether there is a next page.
  const [row] = await run<PageRow>(tx, {
    text: `SELECT token, unread::text, unseen::text, items::text FROM herald.inbox_page($1::text, $2::text, $3::text,
      $4::text, $5::text, $6::text, $7::text::timestamptz, $8::text::uuid, $9::text::integer)`,
    values: [
      ...[recipientId, tenant ?? null, status, template ?? null, group ?? null, target ?? null],
      ...[place?.createdAt ?? null, place?.id ?? null, String(limit + 1)],
    ],
  });
  if (row === undefined) throw new Error('herald.inbox_page returned nothing');
  const found = JSON.parse(row.items) as ItemSource[];
  const sources = found.slice(0, limit);
  const last = sources.at(-1);
  return {
    items: await render(tx, sources),
    next: found.length > limit && last !== undefined ? cursorAfter(last) : null,
    token: row.token,
    unread: Number(row.unread),
    unseen: Number(row.unseen),
  };
}

async function readCounts(tx: Connection, { recipientId, tenant }: Reader): Promise<ItemCounts> {
  const [row] = await run<{ unread: string; unseen: string }>(tx, {
    text: 'SELECT unread::text, unseen::text FROM herald.inbox_count($1::text, $2::text)',
    values: [recipientId, tenant ?? null],
  });
  return { unread: Number(row?.unread), unseen: Number(row?.unseen) };
}

async function mark(tx: Connection, request: MarkRequest): Promise<Marked> {
  const { recipientId, tenant, as, ids, target, asOf, template, group } = request;
  const [row] = await run<Record<'changed' | 'unread' | 'unseen' | 'cancelled' | 'reload', string>>(tx, {
    text: `SELECT changed::text, unread::text, unseen::text, cancelled::text, reload::text
      FROM herald.mark($1::text, $2::text, $3::text::uuid[], $4::text, $5::text, $6::text, $7::text, $8::text)`,
    values: [
      ...[recipientId, as, ids === undefined ? null : `{${ids.join(',')}}`, target ?? null, asOf ?? null],
      ...[tenant ?? null, template ?? null, group ?? null],
    ],
  });
  return {
    changed: Number(row?.changed),
    unread: Number(row?.unread),
    unseen: Number(row?.unseen),
    cancelled: Number(row?.cancelled),
    reload: row?.reload === 'true',
  };
}
