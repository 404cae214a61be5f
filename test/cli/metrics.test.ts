/** What a worker process answers to Prometheus and to an orchestrator. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { pauseMethod, resumeMethod } from '../../src/operate/pause.ts';
import { greeting, greetingFile } from '../support/application.ts';
import { useDatabase } from '../support/use-database.ts';
import { type Program, programs } from '../support/processes.ts';
import { scrape } from '../support/prometheus.ts';
import { startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/wait.ts';
import { main, runCli } from './support.ts';

const start = programs(afterAll);
const database = useDatabase({ templates: { greeting: greetingFile } });
let smtp: TestSmtpServer;
let worker: Program;
let url: string;
const metricsUrl = async (program: Program) => {
  const said = await until(() => /metrics on (\S+)\/metrics/.exec(program.stderr()), { what: 'the metrics address' });
  return said[1] ?? '';
};

beforeAll(async () => {
  smtp = await startSmtpServer({
    onRecipient: (address) => (address.startsWith('nobody') ? { code: 550, text: '5.1.1 no such user' } : undefined),
  });
  worker = start(main, {
    args: ['worker', '--metrics-port', '0'],
    env: {
      DATABASE_URL: database.url,
      HERALD_SMTP_HOST: '127.0.0.1',
      HERALD_SMTP_PORT: String(smtp.port),
      HERALD_SMTP_TLS: 'none',
      HERALD_SMTP_FROM: 'noreply@acme.example',
    },
  });
  url = await metricsUrl(worker);
});
afterAll(async () => {
  await worker.kill('SIGTERM');
  await smtp.close();
});

const get = async (path: string, init: RequestInit = {}) => {
  const response = await fetch(`${url}${path}`, init);
  return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
};
const readiness = async () => {
  const { status, body } = await get('/readyz');
  return {
    status,
    health: JSON.parse(body) as { ready: boolean; checks: { name: string; ok: boolean; text: string }[] },
  };
};

describe('a worker with --metrics-port', () => {
  test('is alive at once, and ready when it delivers', async () => {
    expect((await get('/healthz')).status).toBe(200);
    await until(async () => (await readiness()).status === 200);
    expect((await readiness()).health).toMatchObject({
      ready: true,
      checks: [
        { name: 'worker', ok: true },
        { name: 'database', ok: true },
        { name: 'migrations', ok: true },
        { name: 'pumps', ok: true },
        { name: 'delivery', ok: true },
      ],
    });
  });

  test('counts what it does, by method, outcome and reason, with series that begin at zero', async () => {
    const before = await scrape(url);
    expect(before.value('herald_attempts_total', { method: 'smtp', outcome: 'sent' })).toBe(0);
    await createHerald().enqueue(database.pool, greeting, {
      autocommit: true,
      to: [
        { id: 'ada', email: 'ada@example.com' },
        { id: 'nobody', email: 'nobody@example.com' },
      ],
      labels: { who: 'you' },
    });
    const after = await until(async () => {
      const now = await scrape(url);
      return now.value('herald_queue_seconds_count', { method: 'smtp' }) === 2 && now;
    });
    expect(after.value('herald_attempts_total', { method: 'smtp', outcome: 'sent' })).toBe(1);
    expect(
      after.value('herald_attempts_total', { method: 'smtp', outcome: 'failed', reason: 'no_such_recipient' }),
    ).toBe(1);
    expect(after.value('herald_dispatch_seconds_count', { method: 'smtp', outcome: 'failed' })).toBe(1);
    expect(after.value('herald_queue_seconds_sum', { method: 'smtp' })).toBeLessThan(5);
    expect(after.value('herald_retries_total', { method: 'smtp' })).toBe(0);
    expect(after.value('herald_paused', { method: 'smtp', kind: 'operator' })).toBe(0);
    expect(after.value('herald_endpoints', { state: 'healthy' })).toBe(0);
    expect(after.value('herald_workers')).toBe(1);
    expect(after.value('herald_inhibited_total', { method: 'smtp', reason: 'preference' })).toBe(0);
    expect(after.text).not.toMatch(/@|example\.com|pgboss/);
  });

  test('answers nothing else, and only to those who read', async () => {
    expect(await get('/metrics', { method: 'HEAD' })).toEqual({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: '',
    });
    expect((await get('/metrics', { method: 'POST' })).status).toBe(405);
    expect((await get('/')).status).toBe(404);
    expect((await get('/constructor')).status).toBe(404);
    expect((await get('/healthz?probe=1')).status).toBe(200);
  });

  test('stays alive and ready while a method is paused', async () => {
    await pauseMethod(database.pool, { method: 'smtp', by: 'ada', why: 'a test' });
    expect((await readiness()).status).toBe(200);
    await resumeMethod(database.pool, { method: 'smtp' });
  });

  test('says that it is not ready while the database is away, still answers, and is ready again after it', async () => {
    const admin = new URL(database.url);
    admin.pathname = '/postgres';
    const { Client } = await import('pg');
    const client = new Client({ connectionString: admin.href });
    await client.connect();
    try {
      await client.query(`ALTER DATABASE ${database.name} ALLOW_CONNECTIONS false`);
      await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database.name]);
      const away = await until(async () => {
        const { status, health } = await readiness();
        return status === 503 && health;
      });
      expect(away).toMatchObject({ ready: false });
      expect(away.checks.find((check) => check.name === 'database')).toMatchObject({ ok: false });
      expect((await get('/healthz')).status).toBe(200);
      expect((await scrape(url)).value('herald_attempts_total', { method: 'smtp', outcome: 'sent' })).toBe(1);
    } finally {
      await client.query(`ALTER DATABASE ${database.name} ALLOW_CONNECTIONS true`);
      await client.end();
    }
    await until(async () => (await readiness()).status === 200, { timeoutMs: 20_000 });
  }, 40_000);

  test('is not ready while it stops, and answers until it has', async () => {
    const slow = await startSmtpServer({ onMessage: () => gate });
    let open: () => void = () => undefined;
    const gate = new Promise<undefined>((resolve) => (open = () => resolve(undefined)));
    const other = start(main, {
      args: ['worker', '--metrics-port', '0'],
      env: {
        DATABASE_URL: database.url,
        HERALD_SMTP_HOST: '127.0.0.1',
        HERALD_SMTP_PORT: String(slow.port),
        HERALD_SMTP_TLS: 'none',
        HERALD_SMTP_FROM: 'noreply@acme.example',
      },
    });
    const otherUrl = await metricsUrl(other);
    await worker.kill('SIGTERM');
    await until(async () => (await fetch(`${otherUrl}/readyz`)).status === 200);
    await createHerald().enqueue(database.pool, greeting, {
      autocommit: true,
      to: { id: 'ada', email: 'ada@example.com' },
      labels: { who: 'you' },
    });
    await until(async () => (await scrape(otherUrl)).value('herald_in_flight', { method: 'smtp' }) === 1);
    const ended = other.kill('SIGTERM');
    await until(async () => (await fetch(`${otherUrl}/readyz`)).status === 503);
    expect((await fetch(`${otherUrl}/healthz`)).status).toBe(200);
    open();
    expect(await ended).toEqual({ code: 0, signal: null });
    await expect(fetch(`${otherUrl}/healthz`)).rejects.toThrow();
    await slow.close();
  }, 30_000);

  test('listens on loopback unless told otherwise, and says where it cannot', async () => {
    expect(new URL(url).hostname).toBe('127.0.0.1');
    const env = { DATABASE_URL: database.url, HERALD_SMTP_HOST: '127.0.0.1', HERALD_SMTP_FROM: 'a@b.example' };
    expect(await runCli(['worker', '--metrics-port', '65536'], env)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^pg-herald: --metrics-port: invalid port "65536": expected 0-65535/),
    });
    expect(await runCli(['worker', '--metrics-port', String(smtp.port)], env)).toEqual({
      code: 2,
      out: '',
      err: `pg-herald: --metrics-port: cannot listen on 127.0.0.1 port ${smtp.port} (EADDRINUSE)\n`,
    });
  });
});
