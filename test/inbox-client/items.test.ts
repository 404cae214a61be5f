/** The pure parts of the client: the list after events, pages and marks; waiting; reading a stream. */
import { describe, expect, test } from 'vitest';
import { afterChange, afterMark, afterPage, type InboxItem, type List } from '../../src/inbox-client/items.ts';
import { inboxLanguages, inboxWords } from '../../src/inbox-client/element/words.ts';
import { backOffMs } from '../../src/inbox-client/pauses.ts';
import { followStream, type StreamEvent } from '../../src/inbox-client/stream.ts';
import { layoutLanguages } from '../../src/templates/layout-words.ts';

const at = '2026-11-27T12:00:00.000Z';

function item(n: number, rest: Partial<InboxItem> = {}): InboxItem {
  return {
    ...{ id: `id-${n}`, template: 'greeting', group: 'Greetings', title: `Item ${n}`, text: '', html: '' },
    ...{ actions: [], targets: [], language: 'en', direction: 'ltr' },
    createdAt: new Date(Date.UTC(2026, 0, n)).toISOString(),
    ...{ seenAt: null, readAt: null, archivedAt: null },
    ...rest,
  };
}

const listOf = (items: readonly InboxItem[], rest: Partial<List> = {}): List => ({
  items,
  ...{ next: null, unread: items.length, unseen: items.length },
  ...rest,
});
const change = (items: readonly InboxItem[], unread = 0) => ({ items, unread, unseen: unread, reader: 'ada' });
const ids = ({ items }: List) => items.map(({ id }) => id);

describe('the list', () => {
  test('takes in what arrives in its place, replaces what it has, and drops what no longer belongs to it', () => {
    const before = listOf([item(5), item(3)]);
    const read = item(3, { readAt: at });
    const after = afterChange(before, change([item(6), item(4), read], 3), {});
    expect(ids(after)).toEqual(['id-6', 'id-5', 'id-4', 'id-3']);
    expect(after.items[3]).toBe(read);
    expect(after.items[1]).toBe(before.items[0]);
    expect(ids(afterChange(after, change([item(5, { archivedAt: at })]), {}))).toEqual(['id-6', 'id-4', 'id-3']);
    expect(ids(afterChange(after, change([item(5, { readAt: at })]), { status: 'unread' }))).not.toContain('id-5');
    const other = item(7, { template: 'other' });
    expect(ids(afterChange(before, change([other]), { template: 'greeting' }))).toEqual(['id-5', 'id-3']);
  });

  test('leaves an item of a later page to that page', () => {
    const before = listOf([item(5), item(4)], { next: 'cursor' });
    expect(ids(afterChange(before, change([item(3)]), {}))).toEqual(['id-5', 'id-4']);
    const page = { items: [item(4), item(3)], next: null, unread: 3, unseen: 3, token: 't', reader: 'ada' };
    expect(ids(afterPage(before, page))).toEqual(['id-5', 'id-4', 'id-3']);
  });

  test('counts a mark once, whatever the number of times that it is made', () => {
    const before = listOf([item(2), item(1, { seenAt: at })], { unread: 9, unseen: 5 });
    const marking = { mark: 'read', ids: new Set(['id-2', 'id-1', 'unknown']), at } as const;
    const after = afterMark(before, marking, {});
    expect(after).toMatchObject({ unread: 7, unseen: 4 });
    expect(afterMark(after, marking, {})).toMatchObject({ unread: 7, unseen: 4 });
    expect(afterMark(after, { ...marking, mark: 'unread' }, {})).toMatchObject({ unread: 9, unseen: 4 });
    expect(afterMark(before, { ...marking, mark: 'archived' }, {})).toMatchObject({ items: [], unread: 7, unseen: 4 });
  });
});

test('speaks the languages of the fixed words around emails, each with a text for every word', () => {
  expect(inboxLanguages.toSorted()).toEqual(layoutLanguages.toSorted());
  for (const language of inboxLanguages) {
    const { words } = inboxWords(language);
    expect(
      Object.values(words).filter((text) => text === ''),
      language,
    ).toEqual([]);
    expect([words.unread.includes('{n}'), words.arrived.includes('{title}')], language).toEqual([true, true]);
  }
  const spoken = (tag: string) => inboxWords(tag).language;
  expect(['de-AT', 'pt-BR', 'zh-CN', 'zh-TW', 'ar-EG', 'tlh', ''].map(spoken)).toEqual([
    ...['de', 'pt', 'zh-Hans', 'en', 'ar', 'en', 'en'],
  ]);
});

test('waits twice as long after each failure, from a second to ten minutes, half of it at random', () => {
  expect([1, 2, 3, 10, 11, 1000].map((failures) => backOffMs(failures, 1))).toEqual([
    ...[1000, 2000, 4000, 512_000, 600_000, 600_000],
  ]);
  expect(backOffMs(3, 0)).toBe(2000);
});

test('reads a stream however it is cut into pieces, and moves its token without an event', async () => {
  const text =
    'retry: 2000\n\nid: 1\nevent: change\ndata: {"a":"ö: 1"}\n\n:still here\nid: 2\n\nid: 3\r\nevent: reload\r\ndata: {}\r\n\r\n';
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 7, bytes.length]) {
    const heard: [StreamEvent | null, string][] = [];
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.slice(n * size, (n + 1) * size),
    );
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        for (const piece of pieces) controller.enqueue(piece);
        controller.close();
      },
    });
    await followStream(async () => new Response(body), new AbortController().signal, {
      onEvent: (event, token) => heard.push([event, token]),
      onToken: (token) => heard.push([null, token]),
    });
    expect(heard).toEqual([
      [{ name: 'change', data: '{"a":"ö: 1"}' }, '1'],
      [null, '2'],
      [{ name: 'reload', data: '{}' }, '3'],
    ]);
  }
});
