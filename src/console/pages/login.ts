import { html } from 'hono/html';
import type { PageContext, Services } from '../services.ts';
import { documentOf } from '../view.ts';

export function loginPage(
  c: PageContext,
  services: Services,
  { next, problem }: { readonly next: string; readonly problem?: string },
): Response | Promise<Response> {
  const body = html`<main class="login" id="main">
<h1>pg-herald</h1>
<form method="post" action="${services.settings.basePath}/login">
  ${problem ? html`<p class="note bad" role="alert" id="problem">${problem}</p>` : ''}
  <input type="hidden" name="next" value="${next}">
  <label>Your name <input name="name" autocomplete="name" maxlength="100" required></label>
  <p class="hint">Written beside every action of yours.</p>
  <label>Token <input name="token" type="password" autocomplete="current-password" required${problem ? html` aria-describedby="problem"` : ''}></label>
  <p class="hint">The one that this console was started with.</p>
  <button class="primary">Sign in</button>
</form>
</main>`;
  return c.html(documentOf(services, { title: 'Sign in', body }), problem ? 403 : 200);
}
