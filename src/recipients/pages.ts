/** The pages behind the links in messages, as a fetch-style handler for any server. */
import { html } from 'hono/html';
import { codeOf } from '../errors.ts';
import type { Brand } from '../vocabulary.ts';
import { acknowledgePage } from './acknowledge-page.ts';
import { type Page, type PageContext, filled, responseOf } from './document.ts';
import { type PageSettings, parsePageOptions, type RecipientPagesOptions } from './options.ts';
import { languageOf, wordsIn } from './page-language.ts';
import { preferencePage } from './preference-page.ts';
import { readForm } from './read-form.ts';
import { createRequestLimit, type RequestLimit } from './request-limit.ts';
import type { LinkPurpose, LinkSubject } from './token.ts';
import { unsubscribePage } from './unsubscribe-page.ts';

/** The pages of recipients. */
export interface RecipientPages {
  /** Handles one request. Does not depend on `this`, so it may be passed on as a function. */
  readonly fetch: (request: Request) => Promise<Response>;
}

/** Largest body, in bytes: a form of 500 choices fits. */
const maxBodyBytes = 128 * 1024;
/** When a mailbox provider or a person may try again, in seconds. */
const retryAfter = { 'Retry-After': '60' };

/**
 * Creates the pages behind the links of `links`: `/u/TOKEN` unsubscribes (RFC 8058), `/p/TOKEN` shows the recipient's
 * preferences, `/a/TOKEN` acknowledges a notification. They need no login, no cookie and no script; whoever has a link
 * acts for its recipient. Reads nothing from the database before the first request.
 *
 * @throws {ConfigurationError} if an option is missing or wrong.
 */
export function createRecipientPages(options: RecipientPagesOptions): RecipientPages {
  const settings = parsePageOptions(options);
  const limit = createRequestLimit();
  return {
    async fetch(request) {
      const language = languageOf(request.headers.get('accept-language'));
      const link = linkOf(new URL(request.url).pathname, settings);
      const context = { brand: await brandOf(link, settings), language, words: wordsIn(language) };
      const response = await responseOf(await pageOf(request, link, { settings, context, limit }), context);
      return request.method === 'HEAD' ? new Response(null, response) : response;
    },
  };
}

interface Services {
  readonly settings: PageSettings;
  readonly context: PageContext;
  readonly limit: RequestLimit;
}

/** A link whose token was opened. */
type Link = {
  readonly [Purpose in LinkPurpose]: { readonly purpose: Purpose; readonly subject: LinkSubject<Purpose> };
}[LinkPurpose];

/** What the URL of a request is. */
type OpenedLink = Link | { readonly problem: string };

const purposes = { u: 'unsubscribe', p: 'preferences', a: 'acknowledge' } as const;

/** A page that cannot read the tenant cannot read anything else either, and says so in the application's name. */
async function brandOf(link: OpenedLink, { brand, tenants }: PageSettings): Promise<Brand> {
  if ('problem' in link) return brand;
  try {
    return (await tenants.settingsOf(link.subject.tenant)).brand;
  } catch {
    return brand;
  }
}

async function pageOf(request: Request, link: OpenedLink, services: Services): Promise<Page> {
  const { settings, context, limit } = services;
  if ('problem' in link) return problemPage(link.problem === 'unknown_key' ? 'tooOld' : 'broken', context);
  if (!['GET', 'HEAD', 'POST'].includes(request.method))
    return { ...problemPage('broken', context), status: 405, headers: { Allow: 'GET, HEAD, POST' } };
  const { tenantOf, logger } = settings;
  try {
    if (tenantOf !== undefined && (await tenantOf(request)) !== link.subject.tenant)
      return problemPage('broken', context);
    if (!limit(JSON.stringify([link.subject.tenant, link.subject.recipientId])))
      return { ...problemPage('away', context), status: 429 };
    const form = request.method === 'POST' ? await readForm(request, maxBodyBytes) : undefined;
    if (form === null) return { ...problemPage('broken', context), status: 413 };
    return await shown(link, form ?? null, services);
  } catch (error) {
    // The message of a database error may quote values.
    logger.warn({ code: codeOf(error) }, 'a page for a recipient failed');
    return problemPage('away', context);
  }
}

function shown(link: Link, form: FormData | null, { settings, context }: Services): Promise<Page> | Page {
  switch (link.purpose) {
    case 'unsubscribe':
      return unsubscribePage({ subject: link.subject, form }, settings, context);
    case 'preferences':
      return preferencePage({ subject: link.subject, form }, settings, context);
    case 'acknowledge':
      return acknowledgePage({ subject: link.subject, form }, settings, context);
    default:
      return link satisfies never;
  }
}

function linkOf(path: string, { basePath, box }: PageSettings): OpenedLink {
  const [, kind, token] =
    /^\/([upa])\/([^/]+)\/?$/.exec(path.startsWith(basePath) ? path.slice(basePath.length) : '') ?? [];
  if (token === undefined) return { problem: 'malformed' };
  const purpose = purposes[kind as keyof typeof purposes];
  const opened = box.open(purpose, token);
  return 'problem' in opened ? opened : ({ purpose, subject: opened.subject } as Link);
}

const problems = {
  tooOld: { status: 410, title: 'tooOld', text: 'tooOldText' },
  broken: { status: 404, title: 'broken', text: 'brokenText' },
  away: { status: 503, title: 'away', text: 'awayText' },
} as const;

function problemPage(problem: keyof typeof problems, { words, brand }: PageContext): Page {
  const { status, title, text } = problems[problem];
  const main = html`<h1>${words[title]}</h1>
<p>${filled(words[text], { app: brand.appName })}</p>`;
  return { status, title: words[title], main, ...(status === 503 && { headers: retryAfter }) };
}
