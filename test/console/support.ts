/** What the tests of the console share: a browser's side of the conversation, without a browser. */
import { createConsole, type ConsoleOptions } from '../../src/console/index.ts';
import type { TestDatabase } from '../support/database.ts';

export const token = 'correct horse battery staple, twice';
export const origin = 'http://console.example';

export interface Visit {
  /** An empty value leaves the header out. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
}

/** Keeps cookies, sends what a browser sends, and fills in the hidden field of the last page. */
export function createClient(database: TestDatabase, options: Partial<ConsoleOptions> = {}) {
  const served = createConsole({ pool: database.pool, authorize: () => 'Grace', ...options });
  const cookies = new Map<string, string>();
  let hidden = '';

  async function visit(path: string, { headers = {}, form }: Visit = {}): Promise<Response> {
    const sent = {
      accept: 'text/html',
      host: 'console.example',
      ...(cookies.size > 0 && { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
      ...(form && { origin, 'sec-fetch-site': 'same-origin' }),
      ...headers,
    };
    const response = await served.fetch(
      new Request(origin + path, {
        method: form ? 'POST' : 'GET',
        headers: Object.entries(sent).filter(([, value]) => value !== ''),
        ...(form && { body: new URLSearchParams({ form: hidden, ...form }) }),
      }),
    );
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    if (response.headers.get('content-type')?.startsWith('text/html')) {
      const text = await response.clone().text();
      hidden = /name="form" value="([^"]+)"/.exec(text)?.[1] ?? hidden;
    }
    return response;
  }

  return {
    visit,
    /** The page's HTML; the status must be 200. */
    see: async (path: string): Promise<string> => {
      const response = await visit(path);
      if (response.status !== 200) throw new Error(`${path} answered ${response.status}`);
      return response.text();
    },
    /** Submits one of the console's forms. */
    submit: (path: string, form: Readonly<Record<string, string>> = {}, headers: Visit['headers'] = {}) =>
      visit(path, { form, headers }),
    cookies,
    formToken: () => hidden,
    close: () => served.close(),
  };
}

export type Client = ReturnType<typeof createClient>;

export async function audits(database: TestDatabase) {
  const { rows } = await database.pool.query(
    'SELECT actor, action, subject, why, detail FROM herald.audit ORDER BY at, id',
  );
  return rows;
}
