/** The door: everything behind it has an operator, and nothing changes without a form of ours and the right to act. */
import type { Hono, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import { type Access, sessionSeconds } from './access.ts';
import { csrfCookie, keepCookie, sessionCookie } from './cookies.ts';
import { formOf } from './input.ts';
import { refusal } from './pages/failure.ts';
import { loginPage } from './pages/login.ts';
import { csrfTokenOf, isSameOrigin, newCsrfSecret } from './security.ts';
import type { ConsoleEnv, PageContext, Services } from './services.ts';

/** Largest form in bytes. */
const largestForm = 256 * 1024;

export function addSessions(app: Hono<ConsoleEnv>, services: Services, access: Access): void {
  app.use(limitBody);
  if (services.settings.token !== null) addLogin(app, services, access);
  app.use(async (c, next) => {
    const operator = await access.operatorOf(c.req.raw, getCookie(c, sessionCookie));
    if (operator === null) return turnAway(c, services);
    const secret = getCookie(c, sessionCookie) ?? getCookie(c, csrfCookie) ?? newCsrfSecret();
    if (operator.by === 'host' && getCookie(c, csrfCookie) === undefined)
      keepCookie(c, services, { name: csrfCookie, value: secret });
    c.set('operator', operator);
    c.set('csrfToken', csrfTokenOf(secret));
    return next();
  });
  app.use(mayAct(services));
}

const limitBody: MiddlewareHandler<ConsoleEnv> = async (c, next) => {
  if (Number(c.req.header('content-length') ?? 0) > largestForm) return c.text('This form is too large.', 413);
  return next();
};

function turnAway(c: PageContext, { settings }: Services): Response | Promise<Response> {
  const isPage = c.req.method === 'GET' && (c.req.header('accept') ?? '').includes('text/html');
  if (settings.token === null || !isPage) return c.text('Not signed in.', 401);
  const { pathname, search } = new URL(c.req.url);
  return c.redirect(`${settings.basePath}/login?next=${encodeURIComponent(pathname + search)}`, 303);
}

/** Every request but GET: from a page of ours, with its form's token, by somebody who may act. */
function mayAct(services: Services): MiddlewareHandler<ConsoleEnv> {
  return async (c, next) => {
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next();
    const operator = c.get('operator');
    if (operator.by !== 'bearer') {
      const form = await formOf(c);
      if (!isSameOrigin(c.req.raw) || form('form') !== c.get('csrfToken'))
        return refusal(c, services, 'This form is not from a page of this console, or is from before you signed in.');
    }
    if (operator.readOnly) return refusal(c, services, 'This console is read-only: nothing was changed.');
    await next();
    services.status.expire();
    return undefined;
  };
}

const problems = {
  wrong: 'This is not the token.',
  busy: 'Too many failed attempts; wait a minute and try again.',
} as const;

function addLogin(app: Hono<ConsoleEnv>, services: Services, access: Access): void {
  const { settings } = services;
  app.get('/login', (c) => loginPage(c, services, { next: c.req.query('next') ?? '' }));
  app.post('/login', async (c) => {
    if (!isSameOrigin(c.req.raw)) return c.text('This form is not from a page of this console.', 403);
    const form = await formOf(c);
    const next = form('next') ?? '';
    const answer = access.login(form('token') ?? '', form('name') ?? '');
    if ('refused' in answer) return loginPage(c, services, { next, problem: problems[answer.refused] });
    keepCookie(c, services, { name: sessionCookie, value: answer.session, maxAge: sessionSeconds });
    return c.redirect(isOurs(next, settings.basePath) ? next : `${settings.basePath}/`, 303);
  });
  app.post('/logout', async (c) => {
    if (!isSameOrigin(c.req.raw)) return c.text('This form is not from a page of this console.', 403);
    keepCookie(c, services, { name: sessionCookie, value: '', maxAge: 0 });
    return c.redirect(`${settings.basePath}/login`, 303);
  });
}

/** A path below the console, and not the address of somewhere else in disguise (`//host`, `/\host`). */
function isOurs(path: string, basePath: string): boolean {
  return path.startsWith(`${basePath}/`) && !/^\/[/\\]/.test(path) && !/[\p{Cc}]/u.test(path);
}
