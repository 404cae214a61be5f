/**
 * Sign-in: the form and its routes, and the middleware that requires an operator, and the right to act, for
 * everything else.
 */
import type { Hono, MiddlewareHandler } from 'hono';
import { html } from 'hono/html';
import { type Authenticator, isResponse } from './authenticator.ts';
import { formSecret } from './cookies.ts';
import { formOf } from './input.ts';
import { foreignForm, refusal } from './pages/failure.ts';
import { formTokenOf, limitForm, limitSignInForm, requireSameOrigin } from './security.ts';
import type { ConsoleEnv, PageContext, Services } from './services.ts';
import { documentOf } from './layout.ts';

/** Routes that are added after this call require an operator. */
export function requireSignIn(app: Hono<ConsoleEnv>, services: Services, authenticator: Authenticator): void {
  if (services.settings.token !== null) addSignIn(app, services, authenticator);
  app.use(async (c, next) => {
    const operator = await authenticator.operatorOf(c);
    if (operator === null) return turnAway(c, services);
    // A copy: headers of a redirect cannot be changed, and those of every answer are added to it.
    if (isResponse(operator)) return new Response(operator.body, operator);
    c.set('operator', operator);
    c.set('formToken', operator.by === 'bearer' ? '' : formTokenOf(formSecret(c, services.settings)));
    return next();
  });
  app.use(limitForm);
  const sameOrigin = requireSameOrigin(services.settings.trustProxy);
  app.use((c, next) => (c.get('operator').by === 'bearer' ? next() : sameOrigin(c, next)));
  app.use(requireRightToAct(services));
}

function addSignIn(app: Hono<ConsoleEnv>, services: Services, authenticator: Authenticator): void {
  const { settings } = services;
  app.get('/login', (c) => signInPage(c, services, { next: c.req.query('next') ?? '' }));
  const ownForms = [limitSignInForm, requireSameOrigin(settings.trustProxy)] as const;
  app.post('/login', ...ownForms, async (c) => {
    const form = await formOf(c);
    const next = form('next') ?? '';
    const result = await authenticator.signIn(c, { token: form('token') ?? '', name: form('name') ?? '' });
    if (result !== 'ok') return signInPage(c, services, { next, problem: problems[result] });
    return c.redirect(isOwnPath(next, settings.basePath) ? next : `${settings.basePath}/`, 303);
  });
  app.post('/logout', ...ownForms, async (c) => {
    await authenticator.signOut(c);
    return c.redirect(`${settings.basePath}/login`, 303);
  });
}

const problems = {
  wrong: 'Wrong token.',
  busy: 'Too many failed attempts; wait a minute and try again.',
} as const;

function signInPage(
  c: PageContext,
  services: Services,
  { next, problem }: { readonly next: string; readonly problem?: string },
): Response | Promise<Response> {
  const described = problem ? html` aria-describedby="problem"` : '';
  const body = html`<main class="login" id="main">
<h1>pg-herald</h1>
<form method="post" action="${services.settings.basePath}/login">
  ${problem ? html`<p class="note bad" role="alert" id="problem">${problem}</p>` : ''}
  <input type="hidden" name="next" value="${next}">
  <label>Your name <input name="name" autocomplete="name" maxlength="100" required></label>
  <p class="hint">Recorded with every action you take.</p>
  <label>Token <input name="token" type="password" autocomplete="current-password" required${described}></label>
  <p class="hint">The token that this console was started with.</p>
  <button class="primary">Sign in</button>
</form>
</main>`;
  return c.html(documentOf(services, { title: 'Sign in', body }), problem ? 403 : 200);
}

/** A path of this console, and not another site's address in disguise (`//host`, `/\host`). */
function isOwnPath(path: string, basePath: string): boolean {
  return path.startsWith(`${basePath}/`) && !/^\/[/\\]/.test(path) && !/\s/.test(path);
}

function turnAway(c: PageContext, { settings }: Services): Response {
  const isPage = c.req.method === 'GET' && (c.req.header('accept') ?? '').includes('text/html');
  if (settings.token === null || !isPage) return c.text('Not signed in.', 401);
  const { pathname, search } = new URL(c.req.url);
  return c.redirect(`${settings.basePath}/login?next=${encodeURIComponent(pathname + search)}`, 303);
}

/** Every request but GET and HEAD must come from a form of ours, sent by an operator who may act. */
function requireRightToAct(services: Services): MiddlewareHandler<ConsoleEnv> {
  return async (c, next) => {
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next();
    if (c.get('operator').by !== 'bearer' && (await formOf(c))('form') !== c.get('formToken'))
      return refusal(c, services, foreignForm);
    if (c.get('operator').readOnly) return refusal(c, services, 'This console is read-only. Nothing was changed.');
    await next();
    services.status.expire();
    return undefined;
  };
}
