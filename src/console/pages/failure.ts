import { html } from 'hono/html';
import { codeOf } from '../../queue/queue.ts';
import type { PageContext, Services } from '../services.ts';
import { documentOf, page } from '../view.ts';

/** Not found, or something went wrong; tells what to do, and nothing of the error's text. */
export function failurePage(c: PageContext, services: Services, error: Error | null): Promise<Response> | Response {
  const { title, text, status } = error === null ? notFound : isUnmigrated(error) ? unmigrated : failed;
  const main = html`<h1>${title}</h1><p>${text}</p><p><a href="${services.settings.basePath}/">Overview</a></p>`;
  // Before the door nobody is known, so there is no frame.
  if (c.get('operator') === undefined)
    return c.html(documentOf(services, { title, body: html`<main class="login">${main}</main>` }), status);
  return page(c, services, { title, main, status });
}

/** 403, with the reason in words. */
export function refusal(c: PageContext, services: Services, text: string): Promise<Response> {
  const main = html`<h1>Refused</h1><p>${text}</p><p><a href="${services.settings.basePath}/">Overview</a></p>`;
  return page(c, services, { title: 'Refused', main, status: 403 });
}

const notFound = {
  title: 'Not found',
  text: 'There is no such page or thing. A message may have been purged, or its transaction was rolled back.',
  status: 404,
} as const;
const unmigrated = {
  title: 'The database is not migrated',
  text: 'Run "pg-herald migrate", then load this page again.',
  status: 503,
} as const;
const failed = {
  title: 'This did not work',
  text: 'The database did not answer, or there is a fault in the console; its log has the code. Load the page again; "pg-herald doctor" looks for what is wrong.',
  status: 503,
} as const;

function isUnmigrated(error: Error): boolean {
  return ['3F000', '42P01', '42703', '42883'].includes(codeOf(error));
}
