/** What the tests of the inbox share. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Pool } from 'pg';
import { onTestFinished } from 'vitest';
import { transaction } from '../../src/database/pool.ts';
import type { Connection } from '../../src/database/caller-transaction.ts';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import type { NotificationOptions } from '../../src/enqueue/notification.ts';
import { type Inbox, type InboxOptions, createInbox, createItems, nodeListener } from '../../src/inbox/index.ts';
import { brand, greeting } from '../support/application.ts';

export const noticeFile = `---
title: Hello {{labels.who}}
group: Greetings
methods: [inbox]
actions:
  - label: Open
    url: '{{baseUrl}}/hello'
---
Dear **{{labels.who}}**, welcome.
`;

export const herald = createHerald();
export const items = createItems({ brand });

/** Enqueues one item, in the transaction that is given or in one of its own, and returns its id. */
export async function notify(
  on: Connection,
  recipientId: string,
  who: string,
  options: Partial<NotificationOptions> = {},
): Promise<string> {
  const [message] = await herald.enqueue(on, greeting, {
    autocommit: true,
    to: { id: recipientId },
    labels: { who },
    methods: ['inbox'],
    ...options,
  });
  return message?.id ?? '';
}

/** Enqueues one after the other, so that their order is known. */
export async function notifyAll(pool: Pool, recipientId: string, names: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const name of names) ids.push(await transaction(pool, (tx) => notify(tx, recipientId, name)));
  return ids;
}

export const origin = 'https://acme.example';

/** An inbox whose reader is named by the header x-user, and by x-tenant. */
export function testInbox(pool: Pool, options: Partial<InboxOptions> = {}): Inbox {
  const inbox = createInbox({
    pool,
    brand,
    authorize: ({ headers }) => {
      const recipientId = headers.get('x-user');
      return recipientId === null ? null : { recipientId, tenant: headers.get('x-tenant') };
    },
    ...options,
  });
  onTestFinished(() => inbox.close());
  return inbox;
}

/** Calls a route as a page of `ada` does. */
export async function call(
  inbox: Inbox,
  path: string,
  { user = 'ada', body, headers = {} }: { user?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
  const own = { 'x-user': user, 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', origin };
  const response = await inbox.fetch(
    new Request(`${origin}${path}`, {
      headers: { ...own, ...headers },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    }),
  );
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

/** Serves an inbox on a port of its own and returns its address. */
export async function serve(inbox: Inbox): Promise<string> {
  const server = createServer(nodeListener(inbox));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    await inbox.close();
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface StreamEvent {
  readonly id: string;
  readonly event: string;
  readonly data: {
    reader: string;
    items?: { id: string; title: string; readAt: string | null }[];
    unread: number;
    unseen: number;
  };
}

/** A page that reads a stream, and comes back where it was. */
export async function openStream(inbox: Inbox, { user = 'ada', token = '', tenant = '' } = {}) {
  const events: StreamEvent[] = [];
  const gone = new AbortController();
  const response = await inbox.fetch(
    new Request(`${origin}/stream`, {
      signal: gone.signal,
      headers: { 'x-user': user, ...(token && { 'last-event-id': token }), ...(tenant && { 'x-tenant': tenant }) },
    }),
  );
  const reader = response.body?.getReader();
  const state = { lastId: token, ended: false };
  const read = async () => {
    let text = '';
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) break;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
        const id = field('id');
        if (id !== undefined) state.lastId = id;
        const data = field('data');
        if (data !== undefined) events.push({ id: id ?? '', event: field('event') ?? '', data: JSON.parse(data) });
      }
    }
    state.ended = true;
  };
  const reading = read().catch(() => void (state.ended = true));
  const stop = async () => {
    await reader?.cancel().catch(() => undefined);
    gone.abort();
    await reading;
  };
  onTestFinished(stop);
  return {
    status: response.status,
    events,
    state,
    stop,
    /** Titles of all items that were told, in order. */
    told: () => events.flatMap(({ data }) => (data.items ?? []).map(({ title }) => title)),
  };
}
