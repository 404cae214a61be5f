/** A reader's inbox as a fetch-style handler, for any server. */
import { createHash } from 'node:crypto';
import { preferencesOf, setPreference } from '../enqueue/preferences.ts';
import { ConfigurationError, codeOf, InvalidNotificationError } from '../errors.ts';
import { createElementRoute, elementPath } from './element.ts';
import {
  checkedReader,
  itemsParameters,
  markBody,
  noParameters,
  oneSelection,
  preferenceBody,
  streamParameters,
} from './input.ts';
import type { Reader } from './item.ts';
import { type Items, itemsOf } from './items.ts';
import { type InboxOptions, type InboxSettings, parseInboxOptions } from './options.ts';
import { json, Refusal, refused } from './refusal.ts';
import { createItemRenderer } from './render-items.ts';
import { bodyOf, parametersOf } from './request.ts';
import { createStreams, type Streams } from './stream/streams.ts';

/** The inboxes of an application's readers. */
export interface Inbox {
  /** Handles one request. Does not depend on `this`, so it may be passed on as a function. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Ends the open streams. The pages come back to another process, and miss nothing. */
  readonly close: () => Promise<void>;
}

interface Services {
  readonly settings: InboxSettings;
  readonly items: Items;
  readonly streams: Streams;
  /** Serves the web component. */
  readonly serveElement: (request: Request) => Promise<Response>;
  /** Origin of the application's public address. */
  readonly ownOrigin: string;
}

/** Who reads, and the key under which their pages find each other. */
interface KnownReader {
  readonly recipientId: string;
  readonly tenant: string | null;
  readonly key: string;
}

/**
 * Creates the inbox. Reads nothing from the database before the first request.
 *
 * @throws {ConfigurationError} if an option is missing or wrong.
 */
export function createInbox(options: InboxOptions): Inbox {
  const settings = parseInboxOptions(options);
  const { pool, brand, logger } = settings;
  const render = createItemRenderer(brand);
  const onError = (error: unknown) => logger.warn({ code: codeOf(error) }, 'the inbox cannot read the database');
  const streams = createStreams({ pool, render, onError });
  const services = {
    ...{ settings, streams, items: itemsOf(render), ownOrigin: new URL(brand.baseUrl).origin },
    serveElement: createElementRoute(),
  };
  return {
    fetch: (request) => respond(request, services),
    close: async () => streams.close(),
  };
}

type Route = (request: Request, reader: KnownReader, services: Services) => Response | Promise<Response>;

const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/items': { GET: listItems },
  '/count': { GET: countItems },
  '/mark': { POST: markItems },
  '/stream': { GET: openStream },
  '/preferences': { GET: listPreferences, POST: changePreference },
};

async function respond(request: Request, services: Services): Promise<Response> {
  try {
    if (asksForElement(request, services)) return await services.serveElement(request);
    const route = routeOf(request, services.settings.basePath);
    const reader = await services.settings.authorize(request);
    if (reader instanceof Response) return reader;
    if (reader === null) throw new Refusal(401, 'unauthorized', 'sign in to read this inbox');
    return await route(request, known(reader), services);
  } catch (error) {
    return failure(error, services);
  }
}

function asksForElement({ url, method }: Request, { settings }: Services): boolean {
  return (method === 'GET' || method === 'HEAD') && new URL(url).pathname === settings.basePath + elementPath;
}

/** @throws {Refusal} if there is no such route. */
function routeOf({ url, method }: Request, basePath: string): Route {
  const { pathname } = new URL(url);
  const path = pathname.startsWith(`${basePath}/`) ? pathname.slice(basePath.length) : '';
  const methods = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (methods === undefined) throw new Refusal(404, 'not_found', 'the inbox has no such address; check its basePath');
  const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (route !== undefined) return route;
  const allowed = Object.keys(methods).join(', ');
  throw new Refusal(405, 'method_not_allowed', `use ${allowed}`, { Allow: allowed });
}

/** @throws {ConfigurationError} if `authorize` returned something else. */
function known(given: Reader): KnownReader {
  try {
    const { recipientId, tenant = null } = checkedReader(given);
    const hash = createHash('sha256').update(JSON.stringify(['pg-herald inbox', recipientId, tenant]));
    return { recipientId, tenant, key: hash.digest('base64url').slice(0, 16) };
  } catch (error) {
    throw new ConfigurationError('authorize', 'must return { recipientId, tenant } or null', { cause: error });
  }
}

function failure(error: unknown, { settings: { logger } }: Services): Response {
  if (error instanceof Refusal) return refused(error);
  if (error instanceof InvalidNotificationError) return refused(new Refusal(400, 'invalid', error.message));
  if (error instanceof ConfigurationError) {
    logger.error({ setting: error.setting }, 'the inbox is misconfigured');
    return refused(new Refusal(500, 'misconfigured', `${error.setting} of createInbox is wrong`));
  }
  logger.error({ code: codeOf(error) }, 'a request of an inbox failed');
  return refused(new Refusal(503, 'unavailable', 'the inbox cannot be read now', { 'Retry-After': '5' }));
}

async function listItems(request: Request, { key, ...reader }: KnownReader, { items, settings }: Services) {
  const page = await items.list(settings.pool, { ...parametersOf(request, itemsParameters), ...reader });
  return json({ reader: key, ...page });
}

async function countItems(request: Request, { key, ...reader }: KnownReader, { items, settings }: Services) {
  parametersOf(request, noParameters);
  return json({ reader: key, ...(await items.count(settings.pool, reader)) });
}

async function markItems(request: Request, { key, ...reader }: KnownReader, services: Services) {
  const { items, settings, ownOrigin } = services;
  const { reader: shown = key, ...body } = await bodyOf(request, markBody, ownOrigin);
  if (shown !== key)
    throw new Refusal(409, 'reload', 'the page shows the inbox of somebody else: list the items again');
  const { reload, ...marked } = await items.mark(settings.pool, { ...oneSelection(body), ...reader });
  if (reload) throw new Refusal(409, 'reload', 'the token of asOf is too old: list the items again');
  return json({ reader: key, ...marked });
}

function openStream(request: Request, { key, recipientId, tenant }: KnownReader, { streams }: Services): Response {
  const { after } = parametersOf(request, streamParameters);
  const token = request.headers.get('last-event-id') ?? after ?? null;
  const opened = streams.open({ recipientId, tenant, readerKey: key, token: token === '' ? null : token });
  if (opened instanceof Response) return opened;
  if (opened === 'too_many')
    throw new Refusal(429, 'too_many_streams', 'this reader has too many open streams', { 'Retry-After': '60' });
  throw new Refusal(503, 'unavailable', 'no further stream can be opened now', { 'Retry-After': '5' });
}

async function listPreferences(request: Request, { key, recipientId }: KnownReader, { settings }: Services) {
  parametersOf(request, noParameters);
  return json({ reader: key, preferences: await preferencesOf(settings.pool, recipientId) });
}

async function changePreference(request: Request, { key, recipientId }: KnownReader, services: Services) {
  const { settings, ownOrigin } = services;
  const { template, group, method, enabled } = await bodyOf(request, preferenceBody, ownOrigin);
  await setPreference(settings.pool, {
    recipientId,
    ...(template !== undefined && { template }),
    ...(group !== undefined && { group }),
    ...(method !== undefined && { method }),
    enabled,
  });
  return json({ reader: key, preferences: await preferencesOf(settings.pool, recipientId) });
}
