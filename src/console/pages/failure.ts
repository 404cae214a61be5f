/**
 * Pages for what was not found, what failed and what was refused. They say what to do, and nothing of an error's own
 * text.
 */
import { html } from 'hono/html';
import { codeOf } from '../../errors.ts';
import type { PageContext, Services } from '../services.ts';
import { documentOf, type Page, page } from '../layout.ts';

/** The page for an error; null: not found. */
export function failurePage(c: PageContext, services: Services, error: Error | null): Promise<Response> | Response {
  return problemPage(c, services, error === null ? notFound : isUnmigrated(error) ? unmigrated : failed);
}

/** 403, with the reason in words. */
export function refusal(c: PageContext, services: Services, text: string): Promise<Response> | Response {
  return problemPage(c, services, { title: 'Refused', text, status: 403 });
}

/** Why a form is refused. */
export const foreignForm = 'This form is not from a page of this console, or it is from before you signed in.';

function problemPage(
  c: PageContext,
  services: Services,
  { title, text, status }: Problem,
): Promise<Response> | Response {
  const main = html`<h1>${title}</h1><p>${text}</p><p><a href="${services.settings.basePath}/">Overview</a></p>`;
  // Before authentication there is no operator, hence no navigation.
  if (c.get('operator') === undefined)
    return c.html(documentOf(services, { title, body: html`<main class="login">${main}</main>` }), status);
  return page(c, services, { title, main, status });
}

interface Problem {
  readonly title: string;
  readonly text: string;
  readonly status: NonNullable<Page['status']>;
}

const notFound: Problem = {
  title: 'Not found',
  text: 'There is no such page or object. A message may have been purged, or its transaction was rolled back.',
  status: 404,
};
const unmigrated: Problem = {
  title: 'The database is not migrated',
  text: 'Run "pg-herald migrate", then reload this page.',
  status: 503,
};
const failed: Problem = {
  title: 'This did not work',
  text:
    'The database did not answer, or the console has a fault; its log has the code. Reload the page, or run ' +
    '"pg-herald doctor" to find out what is wrong.',
  status: 503,
};

function isUnmigrated(error: Error): boolean {
  return ['3F000', '42P01', '42703', '42883'].includes(codeOf(error));
}
