/** docs/monitoring.md, the dashboard and the alert rules name what a real worker reports after real work. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { type MetricDescription, metricDescriptions } from '../../src/telemetry/metrics.ts';
import { main } from '../cli/support.ts';
import { greeting, greetingFile, putTemplates } from '../support/application.ts';
import { createTestDatabase } from '../support/database.ts';
import { type Program, programs } from '../support/processes.ts';
import { type Scrape, scrape } from '../support/prometheus.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';

const docs = fileURLToPath(new URL('../../docs/', import.meta.url));
const page = readFileSync(join(docs, 'monitoring.md'), 'utf8');
const descriptions: readonly MetricDescription[] = Object.values(metricDescriptions);
const promtool = (() => {
  try {
    return execFileSync('sh', ['-c', 'command -v promtool'], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
})();

const start = programs(afterAll);
let seen: Scrape;
beforeAll(async () => {
  const database = await createTestDatabase();
  const smtp = await startSmtpServer({
    onRecipient: (address, times) => {
      if (address.startsWith('forged')) return { code: 550, text: '5.7.26 DMARC' };
      return address.startsWith('slow') && times === 0 ? { code: 450, text: '4.2.0 later' } : undefined;
    },
  });
  await putTemplates(database.pool, { greeting: greetingFile, gone: greetingFile });
  const to = (id: string) => ({ to: { id, email: `${id}@example.com` }, labels: { who: id } });
  const herald = createHerald();
  // Enabled when it was enqueued, and not any more when it is to be sent.
  await herald.enqueue(database.pool, { ...greeting, name: 'gone' }, { ...to('ada'), autocommit: true });
  await database.pool.query(`UPDATE herald.template SET enabled = false WHERE name = 'gone'`);
  for (const id of ['ada', 'forged', 'slow'])
    await herald.enqueue(database.pool, greeting, { ...to(id), autocommit: true });
  const worker: Program = start(main, {
    args: ['worker', '--metrics-port', '0'],
    env: {
      DATABASE_URL: database.url,
      HERALD_SMTP_HOST: '127.0.0.1',
      HERALD_SMTP_PORT: String(smtp.port),
      HERALD_SMTP_TLS: 'none',
      HERALD_SMTP_FROM: 'noreply@acme.example',
    },
  });
  const [, url = ''] = await until(() => /metrics on (\S+)\/metrics/.exec(worker.stderr()), { timeoutMs: 30_000 });
  seen = await until(
    async () => {
      const now = await scrape(url);
      const ended = now.value('herald_queue_seconds_count', { method: 'smtp' }) === 3;
      const stopped = now.samples.some(({ name }) => name === 'herald_stopped_total');
      return ended && stopped && now.value('herald_workers') === 1 && now;
    },
    { timeoutMs: 40_000 },
  );
  await worker.kill('SIGTERM');
  await smtp.close();
  await database.close();
}, 90_000);

const isCounter = ({ kind }: MetricDescription) => kind === 'counter' || kind === 'observed counter';
const prometheusName = (of: MetricDescription) => of.name.replaceAll('.', '_') + (isCounter(of) ? '_total' : '');
const seenNames = () => new Set(seen.samples.map(({ name }) => name));
const metricsIn = (text: string) => [...new Set(text.match(/\bherald_\w+/g))];

describe('the metrics', () => {
  test('are exactly those of the reference, with their types, labels and meanings', () => {
    const types = new Map([...seen.text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
    expect(new Set(types.keys())).toEqual(new Set(descriptions.map(prometheusName)));
    for (const of of descriptions) {
      const name = prometheusName(of);
      const type = isCounter(of) ? 'counter' : of.kind;
      expect([name, types.get(name)]).toEqual([name, type]);
      const own = seen.samples.filter((sample) => sample.name === name || sample.name === `${name}_bucket`);
      const labels = new Set(own.flatMap((sample) => Object.keys(sample.labels)).filter((label) => label !== 'le'));
      expect([name, labels]).toEqual([name, new Set(of.labels)]);
      const labelCells = of.labels.map((label) => `\`${label}\``).join(', ') || '-';
      expect(page).toContain(`| \`${name}\` | ${type} | ${labelCells} | ${of.scope} | ${of.description} |`);
    }
    expect(page.match(/^\| `herald_\w+` \|/gm)).toHaveLength(descriptions.length);
  });

  test('have few series: a few dozen for each method', () => {
    expect(seen.samples.length).toBeLessThan(200);
  });

  test.skipIf(promtool === null)("are what Prometheus' own linter accepts", () => {
    const said = execFileSync(promtool ?? '', ['check', 'metrics'], { input: seen.text, encoding: 'utf8' });
    expect(said).toBe('');
  });
});

const dashboardSchema = v.object({
  uid: v.string(),
  title: v.string(),
  schemaVersion: v.pipe(v.number(), v.minValue(36)),
  templating: v.object({ list: v.array(v.object({ name: v.string(), type: v.string() })) }),
  panels: v.array(
    v.object({
      id: v.number(),
      type: v.picklist(['stat', 'timeseries']),
      title: v.pipe(v.string(), v.minLength(1)),
      gridPos: v.object({ x: v.number(), y: v.number(), w: v.pipe(v.number(), v.minValue(1)), h: v.number() }),
      datasource: v.object({ type: v.literal('prometheus'), uid: v.literal('${datasource}') }),
      targets: v.pipe(
        v.array(v.object({ refId: v.string(), expr: v.string(), legendFormat: v.string() })),
        v.minLength(1),
      ),
    }),
  ),
});

describe('the dashboard', () => {
  const text = readFileSync(join(docs, 'monitoring/dashboard.json'), 'utf8');
  const { panels, templating } = v.parse(dashboardSchema, JSON.parse(text));
  const queries = panels.flatMap((panel) => panel.targets.map((target) => target.expr));

  test('uses every metric of a worker, and no other', () => {
    expect(metricsIn(text).filter((name) => !seenNames().has(name))).toEqual([]);
    const asked = queries.join(' ');
    expect(descriptions.map(prometheusName).filter((name) => !asked.includes(name))).toEqual([]);
  });

  test('has panels that do not cover each other, and no variable that is not defined', () => {
    expect(new Set(panels.map((panel) => panel.id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos }) => gridPos.x + gridPos.w))).toBe(24);
    const known = new Set([...templating.list.map(({ name }) => name), '__rate_interval', '__all']);
    const used = [...text.matchAll(/\$\{?(\w+)/g)].map(([, name = '']) => name);
    expect(used.filter((name) => !known.has(name))).toEqual([]);
  });

  test.skipIf(promtool === null)('has queries that Prometheus can parse', () => {
    const expression = (query: string) => query.replaceAll('$__rate_interval', '5m').replace(/\$(job|method)/g, '.*');
    const rules = queries.map((query, at) => ({ record: `panel:query:${at}`, expr: expression(query) }));
    inFolder((folder) => {
      writeFileSync(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'panels', rules }] }));
      expect(
        execFileSync(promtool ?? '', ['check', 'rules', 'rules.yml'], { cwd: folder, encoding: 'utf8' }),
      ).toContain(`${queries.length} rules found`);
    });
  });
});

describe('the alert rules', () => {
  const text = readFileSync(join(docs, 'monitoring/alerts.yml'), 'utf8');
  const { groups } = v.parse(
    v.object({ groups: v.array(v.object({ rules: v.array(v.object({ alert: v.string(), expr: v.string() })) })) }),
    parse(text),
  );
  const rules = groups.flatMap((group) => group.rules);

  test('use only metrics of a worker', () => {
    expect(rules.flatMap((rule) => metricsIn(rule.expr)).filter((name) => !seenNames().has(name))).toEqual([]);
  });

  test('are documented, each with what to do', () => {
    const documented = [...page.matchAll(/^\| (Herald\w+) \| [^|]+ \| [^|]+ \|$/gm)].map(([, name]) => name);
    expect(documented).toEqual(rules.map((rule) => rule.alert));
  });

  test.skipIf(promtool === null)('fire when they should and not before', () => {
    inFolder((folder) => {
      copyFileSync(join(docs, 'monitoring/alerts.yml'), join(folder, 'alerts.yml'));
      copyFileSync(fileURLToPath(new URL('alerts.test.yml', import.meta.url)), join(folder, 'alerts.test.yml'));
      const options = { cwd: folder, encoding: 'utf8' } as const;
      expect(execFileSync(promtool ?? '', ['test', 'rules', 'alerts.test.yml'], options)).toContain('SUCCESS');
    });
  });
});

function inFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'herald-rules-'));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
