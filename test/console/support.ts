/** What the tests of the console share: a browser's side of the conversation, without a browser. */
import { Pool } from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { createConsole, type ConsoleOptions } from '../../src/console/index.ts';
import { applyRoles } from '../../src/database/roles.ts';
import type { TestDatabase } from '../support/database.ts';
import { useDatabase, type UseDatabaseOptions } from '../support/use-database.ts';

export const token = 'correct horse battery staple, twice';
export const origin = 'http://console.example';

export interface Visit {
  /** An empty value leaves the header out. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
}

/** A database on which the console has no more rights than the role herald_operator. */
export function useConsoleDatabase(options: UseDatabaseOptions = {}): TestDatabase {
  const database = useDatabase(options);
  beforeAll(() => applyRoles(database.url));
  return database;
}

const operatorPools = new Map<string, Pool>();
afterAll(async () => {
  await Promise.all([...operatorPools.values()].map((pool) => pool.end()));
  operatorPools.clear();
});

function operatorPool(url: string): Pool {
  const pool = operatorPools.get(url) ?? new Pool({ connectionString: url, options: '-c role=herald_operator' });
  // The database may be dropped before its last connection has ended.
  if (pool.listenerCount('error') === 0) pool.on('error', () => undefined);
  operatorPools.set(url, pool);
  return pool;
}

/** Keeps cookies, sends what a browser sends, and fills in the hidden field of the last page. */
export function createClient(database: TestDatabase, options: Partial<ConsoleOptions> = {}) {
  const served = createConsole({ pool: operatorPool(database.url), authorize: () => 'Grace', ...options });
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
