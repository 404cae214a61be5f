/** `node bench/console.ts [messages]`: fills a database of its own and times every page of the console; the goal is 300 ms. */
import { Pool } from 'pg';
import { createConsole } from '../src/console/index.ts';
import { migrate } from '../src/database/migrate.ts';
import { readTemplates, shippedTemplatesFolder } from '../src/templates/files.ts';
import { syncTemplates } from '../src/templates/catalog.ts';
import { createDatabase } from '../test/support/postgres/databases.ts';
import { startPostgres } from '../test/support/postgres/server.ts';

const messages = Number(process.argv[2] ?? 2_000_000);
const server = await startPostgres({ settings: { fsync: 'off', synchronous_commit: 'off', max_wal_size: '4GB' } });
try {
  const url = await createDatabase(server.url, { name: 'console_bench' });
  await migrate(url);
  const pool = new Pool({ connectionString: url });
  await syncTemplates(pool, (await readTemplates(shippedTemplatesFolder)).sources);
  await pool.query(
    `INSERT INTO herald.message (id, notification_id, template, template_version, method, ordinal, status, reason, recipient_id, recipient, address,
       targets, next_attempt_at, attempts, created_by, created_at, settled_at)
     SELECT gen_random_uuid(), gen_random_uuid(), 'custom-notice', 1, 'smtp', 1, s, CASE WHEN s = 'failed' THEN 'refused' END, 'user-' || g % 50000,
       jsonb_build_object('id', 'user-' || g % 50000, 'email', 'user-' || g % 50000 || '@example.com'), 'user-' || g % 50000 || '@example.com',
       ARRAY['workspace-' || g % 9000], at, 1, 'bench', at, CASE WHEN s <> 'pending' THEN at END
     FROM generate_series(1, $1::int) g,
       LATERAL (SELECT CASE WHEN g % 97 = 0 THEN 'failed' WHEN g % 2001 = 0 THEN 'pending' ELSE 'sent' END AS s,
         now() - g * interval '2592000 seconds' / $1 AS at) x`,
    [messages],
  );
  await pool.query(
    `INSERT INTO herald.notification (id, labels) SELECT notification_id, '{"title":"Hello","body":"World"}' FROM herald.message`,
  );
  await pool.query('ANALYZE');
  const id = (await pool.query<{ id: string }>(`SELECT id FROM herald.message WHERE status = 'failed' LIMIT 1`)).rows[0]
    ?.id;
  const page = createConsole({ pool, authorize: () => 'bench' });
  const paths = [
    '/',
    ...[
      '',
      '?recipient=user-77',
      '?recipient=user-77%40example.com',
      '?status=failed',
      '?status=pending',
      '?status=held',
      '?method=webhook',
    ].map((query) => `/messages${query}`),
    ...[
      '?target=workspace-42',
      '?template=custom-notice&status=failed',
      '?reason=refused&since=7d',
      '?template=build-failed',
    ].map((query) => `/messages${query}`),
    `/messages/${id}`,
    '/messages/all/retry?status=failed',
    '/messages/all/retry',
    '/messages/all/cancel',
    ...[
      '/templates',
      '/templates/custom-notice',
      '/templates/custom-notice/preview',
      '/endpoints',
      '/recipients?id=user-77',
      '/suppressions',
      '/audit',
    ],
  ];
  for (const path of paths) {
    const times: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const startedAt = performance.now();
      const answer = await page.fetch(new Request(`http://localhost${path}`));
      await answer.text();
      times.push(performance.now() - startedAt);
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`);
    }
    const [first = 0, ...others] = times;
    console.log(
      `${first.toFixed(0).padStart(6)} ms first ${Math.max(...others)
        .toFixed(0)
        .padStart(6)} ms after  ${path.replace(/[0-9a-f-]{36}/, 'ID')}`,
    );
  }
  await page.close();
  await pool.end();
} finally {
  await server.stop();
}
