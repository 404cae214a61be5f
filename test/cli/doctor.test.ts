/** The doctor finds what is wrong, names the remedy, and shows no secret. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { domainRecords, isAligned } from '../../src/dispatch/smtp/check-sender.ts';
import { examineDatabase } from '../../src/operate/doctor/database.ts';
import { examineSmtp } from '../../src/operate/doctor/smtp.ts';
import { tryDelivery } from '../../src/operate/doctor/trial.ts';
import { greetingFile, putTemplates } from '../support/application.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startSmtpScript } from '../support/smtp-script.ts';
import { startSmtpServer, type TestSmtpServer } from '../support/smtp-server.ts';
import { runCli } from './support.ts';

let database: TestDatabase;
let relay: TestSmtpServer;
beforeAll(async () => {
  [database, relay] = await Promise.all([
    createTestDatabase(),
    startSmtpServer({ auth: { user: 'acme', password: 'right' } }),
  ]);
  await putTemplates(database.pool, { greeting: greetingFile });
});
beforeEach(() =>
  database.pool.query('TRUNCATE herald.message; UPDATE herald.method SET paused_at = NULL, pause_kind = NULL'),
);
afterAll(async () => {
  await relay.close();
  await database.close();
});

async function doctor(env: Record<string, string> = {}) {
  const { code, out, err } = await runCli(['doctor', '--json'], {
    DATABASE_URL: database.url,
    HERALD_SMTP_HOST: '127.0.0.1',
    HERALD_SMTP_PORT: String(relay.port),
    HERALD_SMTP_TLS: 'none',
    HERALD_SMTP_FROM: 'noreply@acme.invalid',
    HERALD_SMTP_USER: 'acme',
    HERALD_SMTP_PASSWORD: 'right',
    ...env,
  });
  return { code, findings: (out === '' ? [] : JSON.parse(out)) as object[], out: out + err };
}

const problems = async () => (await examineDatabase(database.pool)).filter(({ level }) => level === 'problem');

describe('the relay', () => {
  test('that takes our login is fine', async () => {
    const { code, findings } = await doctor();
    expect(code).toBe(0);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'smtp', level: 'ok', text: expect.stringMatching(/connection and login$/) }),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({
        check: 'smtputf8',
        level: 'ok',
        text: expect.stringMatching(/accepts internationalised addresses$/),
      }),
    );
    expect(relay.count()).toBe(0);
  });

  test('may refuse a name without a dot in EHLO, which the doctor says', async () => {
    const named = async (name: string) =>
      (await doctor({ HERALD_SMTP_EHLO_NAME: name })).findings.find((each) => 'check' in each && each.check === 'ehlo');
    expect(await named('mail.acme.example')).toMatchObject({
      level: 'ok',
      text: expect.stringContaining('mail.acme.example'),
    });
    expect(await named('a1b2c3d4e5f6')).toMatchObject({
      level: 'warning',
      text: expect.stringContaining('calls itself a1b2c3d4e5f6, which is not a host name with a dot'),
      remedy: expect.stringContaining('HERALD_SMTP_EHLO_NAME'),
    });
  });

  test('that accepts small emails only, and no internationalised addresses, is reported', async () => {
    const small = await startSmtpScript(() => [
      { reply: '220 mx.test ESMTP' },
      { expect: /^EHLO /, reply: '250-mx.test\r\n250 SIZE 5000000' },
    ]);
    const { findings } = await doctor({ HERALD_SMTP_PORT: String(small.port), HERALD_SMTP_USER: '' });
    expect(small.departures()).toEqual([]);
    await small.close();
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'size', level: 'warning', text: expect.stringContaining('5.0 MB at most') }),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'smtputf8', text: expect.stringContaining('(5.6.7)') }),
    );
  });

  test('that refuses it is a problem, and the password is not shown', async () => {
    const { code, findings, out } = await doctor({ HERALD_SMTP_PASSWORD: 'hunter2' });
    expect(code).toBe(1);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'smtp', level: 'problem', text: expect.stringContaining('authentication') }),
    );
    expect(out).not.toContain('hunter2');
  });

  test('of each of several senders is looked at, from a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-doctor-'));
    const file = join(folder, 'senders.json');
    const sender = (name: string, port: number) => ({
      name,
      host: '127.0.0.1',
      port,
      tls: 'none',
      from: { address: 'noreply@acme.invalid' },
    });
    const env = { HERALD_SMTP_HOST: '', HERALD_SMTP_SENDERS_FILE: file };
    writeFileSync(file, JSON.stringify([sender('main', relay.port), sender('backup', 1)]));
    const { code, findings } = await doctor(env);
    writeFileSync(file, JSON.stringify([sender('main', relay.port), sender('main', 1)]));
    const twice = await doctor(env);
    writeFileSync(file, '{');
    const broken = await doctor(env);
    rmSync(folder, { recursive: true });
    expect(code).toBe(1);
    expect(findings.filter((finding) => 'check' in finding && finding.check === 'smtp')).toMatchObject([
      { level: 'ok' },
      { level: 'problem', text: expect.stringContaining('unreachable') },
    ]);
    expect([twice.code, broken.code]).toEqual([2, 2]);
    expect(twice.out).toMatch(/smtp\.senders\.1\.name: is also the name of an earlier sender/);
    expect(broken.out).toMatch(/HERALD_SMTP_SENDERS_FILE: .* is not valid JSON/);
  });

  test('that is not there is a problem', async () => {
    const { code, findings } = await doctor({ HERALD_SMTP_PORT: '1' });
    expect(code).toBe(1);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'smtp', level: 'problem', text: expect.stringContaining('unreachable') }),
    );
  });
});

describe('the database', () => {
  test('is fine when it is, and says that no worker is connected', async () => {
    const findings = await examineDatabase(database.pool);
    expect(findings.filter(({ level }) => level !== 'ok').map(({ check }) => check)).toEqual(['workers']);
  });

  test('whose clock is apart', async () => {
    const findings = await examineDatabase(database.pool, () => Date.now() - 60_000);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'clock', level: 'problem', text: expect.stringMatching(/60\.\d s apart/) }),
    );
  });

  test('whose clock went back', async () => {
    await database.pool.query(
      `SELECT herald.enqueue('greeting', '{"id": "1", "email": "a@example.com"}', '{"who": "x"}')`,
    );
    await database.pool.query(`UPDATE herald.message SET created_at = now() + interval '1 hour'`);
    expect(await examineDatabase(database.pool)).toContainEqual(
      expect.objectContaining({
        check: 'clock',
        level: 'warning',
        text: expect.stringMatching(/^the newest message was enqueued 3[56]\d\d s in the future: the database's clock/),
      }),
    );
    await database.pool.query('TRUNCATE herald.message; DELETE FROM herald_queue.job');
  });

  test('whose messages do not flow, whose method is paused, whose endpoint is off', async () => {
    await database.pool.query(
      `SELECT herald.enqueue('greeting', '{"id": "1", "email": "a@example.com"}', '{"who": "x"}')`,
    );
    await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() - interval '1 hour'`);
    await database.pool.query(
      `UPDATE herald.method SET paused_at = now(), pause_kind = 'operator' WHERE name = 'smtp'`,
    );
    await database.pool.query(
      `INSERT INTO herald.endpoint (name, url_host, groups, sealed, disabled_at, disabled_reason) VALUES ('x', 'example.com', '{}', 'x', now(), 'gone')`,
    );
    await database.pool.query(
      `INSERT INTO herald.sender (method, name, paused_at, pause_reason, pause_detail, probe_at, max_connections) VALUES ('smtp', 'main', now(), 'tls', 'no TLS', now(), 2)`,
    );
    const findings = await examineDatabase(database.pool);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'sender', text: 'smtp sender main is paused (tls, no TLS)' }),
    );
    const status = await runCli(['status', '--table'], { DATABASE_URL: database.url });
    expect(status.out.replace(/\s+/g, ' ')).toMatch(
      /smtp sender main: paused since [^ ]+ [^ ]+ UTC: tls, no TLS; next probe .*; its server accepts 2 connections from each worker/,
    );
    await runCli(['resume', 'smtp'], { DATABASE_URL: database.url });
    expect((await database.pool.query('SELECT paused_at FROM herald.sender')).rows).toEqual([{ paused_at: null }]);
    await database.pool.query(
      `UPDATE herald.method SET paused_at = now(), pause_kind = 'operator' WHERE name = 'smtp'`,
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'backlog', level: 'problem', text: expect.stringContaining('60 min') }),
    );
    expect(findings).toContainEqual(expect.objectContaining({ check: 'pause', remedy: '"pg-herald resume smtp"' }));
    expect(findings).toContainEqual(expect.objectContaining({ check: 'endpoints', level: 'warning' }));
    const { findings: seen } = await doctor();
    expect(seen).toContainEqual(
      expect.objectContaining({ check: 'endpoints', text: expect.stringContaining('HERALD_SECRET_KEY is not set') }),
    );
    await database.pool.query('TRUNCATE herald.endpoint');
  });

  test('without its migrations', async () => {
    const empty = await createTestDatabase({ empty: true });
    const findings = await examineDatabase(empty.pool);
    await empty.close();
    expect(findings.at(-1)).toMatchObject({ check: 'migrations', level: 'problem', remedy: 'run "pg-herald migrate"' });
  });

  test('that lost a queue', async () => {
    await database.pool.query(`INSERT INTO herald.method (name) VALUES ('pager')`);
    expect(await problems()).toMatchObject([{ check: 'queue', remedy: 'run "pg-herald migrate --method pager"' }]);
    await database.pool.query(`DELETE FROM herald.method WHERE name = 'pager'`);
  });
});

test('the domain: what is published, what is missing, what cannot be asked', async () => {
  const options = {
    host: 'h',
    from: { address: 'a@acme.example' },
    dkim: { domain: 'acme.example', selector: 's1', keyFile: '/k' },
  };
  const answers: Record<string, string[][] | string> = {
    'acme.example': [['v=spf1 ', 'include:x -all']],
    '_dmarc.acme.example': 'ENODATA',
    's1._domainkey.acme.example': 'ETIMEOUT',
  };
  const found = await domainRecords(options, async (name) => {
    const answer = answers[name] ?? 'ENOTFOUND';
    if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer });
    return answer;
  });
  expect(found.map(({ record, state }) => [record, state])).toEqual([
    ['SPF', 'found'],
    ['DMARC', 'missing'],
    ['DKIM', 'unknown'],
  ]);
});

test('the domain: two records that cancel each other out, the key of another sender, a revoked one', async () => {
  const pair = () =>
    generateKeyPairSync('rsa', {
      modulusLength: 1024,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'der' },
    });
  const [ours, theirs] = [pair(), pair()];
  const options = {
    from: { address: 'a@acme.example' },
    dkim: { domain: 'acme.example', selector: 's1', keyFile: '/k' },
  };
  const stateWith = async (key: string) => {
    const found = await domainRecords(
      options,
      async (name) => {
        if (name === 'acme.example') return [['v=spf1 -all'], ['unrelated'], ['V=SPF1 +all']];
        return name.startsWith('_dmarc')
          ? [['v=DMARC1; p=none']]
          : [[`v=DKIM1; k=rsa; p=${key.slice(0, 100)}`, ` ${key.slice(100)}`]];
      },
      ours.privateKey,
    );
    return found.map(({ state }) => state);
  };
  expect(await stateWith(ours.publicKey.toString('base64'))).toEqual(['several', 'found', 'found']);
  expect(await stateWith(theirs.publicKey.toString('base64'))).toEqual(['several', 'found', 'different']);
  expect(await stateWith('')).toEqual(['several', 'found', 'missing']);
});

test.each([
  [{ from: { address: 'a@acme.example' } }, true],
  [{ from: { address: 'a@acme.example' }, envelopeFrom: 'x@bounce.acme.example' }, true],
  [{ from: { address: 'a@acme.example' }, envelopeFrom: 'x@relay.example' }, false],
  [
    {
      from: { address: 'a@acme.example' },
      envelopeFrom: 'x@relay.example',
      dkim: { domain: 'ACME.example', selector: 's', keyFile: 'k' },
    },
    true,
  ],
  [{ from: { address: 'a@notacme.example' }, envelopeFrom: 'x@acme.example' }, false],
] as const)('%o is aligned: %s', (options, aligned) => {
  expect(isAligned(options)).toBe(aligned);
});

describe('the doctor tries what a worker does', () => {
  test('and leaves nothing behind', async () => {
    const findings = await examineDatabase(database.pool);
    expect(findings).toContainEqual(expect.objectContaining({ check: 'delivery', level: 'ok' }));
    expect((await database.pool.query('SELECT FROM herald.attempt')).rowCount).toBe(0);
  });

  test.each([
    ['SELECT ON herald_queue.job', 'GRANT SELECT ON herald_queue.job'],
    ['UPDATE ON herald.message', 'GRANT UPDATE ON herald.message'],
    ['INSERT ON herald.attempt', 'GRANT INSERT ON herald.attempt'],
    ['DELETE ON herald_queue.job', 'GRANT DELETE ON herald_queue.job'],
  ])('a role without %s is a problem with a remedy', async (privilege) => {
    const role = `trial_${Math.random().toString(36).slice(2)}`;
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query(`CREATE ROLE ${role}; GRANT USAGE ON SCHEMA herald, herald_queue TO ${role};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA herald, herald_queue TO ${role};
        REVOKE ${privilege} FROM ${role}; SET LOCAL ROLE ${role}`);
      const within = {
        query: (text: string, values?: unknown[]) =>
          /^(BEGIN|ROLLBACK)/.test(text) ? Promise.resolve({ rows: [] }) : client.query(text, values),
        release: () => undefined,
      };
      const finding = await tryDelivery({ connect: () => Promise.resolve(within) } as never);
      expect(finding).toMatchObject({
        check: 'delivery',
        level: 'problem',
        text: expect.stringMatching(/permission denied .*\(42501\)$/),
        remedy: expect.stringContaining('migrate --roles'),
      });
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  test('a lock that a worker would wait for is a problem', async () => {
    const client = await database.pool.connect();
    await client.query('BEGIN; LOCK TABLE herald.attempt IN ACCESS EXCLUSIVE MODE');
    const finding = await tryDelivery(database.pool);
    await client.query('ROLLBACK');
    client.release();
    expect(finding).toMatchObject({ level: 'problem', text: expect.stringContaining('55P03') });
  });
});

test('the doctor counts secret labels in clear text, and names a method that no worker delivers', async () => {
  await putTemplates(database.pool, { code: greetingFile.replace('---\n', '---\nsecrets: [who]\n') });
  await database.pool.query(
    `SELECT herald.enqueue('{"template": "code", "allowPlainSecrets": true, "labels": {"who": "x"}, "to": {"id": "1", "email": "a@example.com"}}')`,
  );
  await database.pool.query(
    `INSERT INTO herald.worker (name, methods, version, notified, errors) VALUES ('w1', '{webhook}', '0.1.0', false,
       jsonb_build_array(jsonb_build_object('what', 'settle', 'code', '53100', 'at', now()::text, 'count', 3)))`,
  );
  const findings = await examineDatabase(database.pool);
  expect(findings).toContainEqual(
    expect.objectContaining({
      check: 'secrets',
      level: 'warning',
      text: expect.stringMatching(/^1 waiting messages? ha/),
    }),
  );
  const status = await runCli(['status', '--table'], { DATABASE_URL: database.url });
  expect(status.out).toMatch(/w1: webhook; version 0\.1\.0/);
  expect(status.out).toContain('no worker delivers smtp');
  expect(status.out).toMatch(/\n {2}w1: settle failed \(53100\), 3 times, last \d s ago\n/);
  expect(findings).toContainEqual(
    expect.objectContaining({
      check: 'workers',
      text: expect.stringMatching(/^w1: settle failed .*, 3 times, last at /),
    }),
  );
  await database.pool.query('TRUNCATE herald.worker, herald.message');
});

describe('the doctor and the workers', () => {
  // Every worker delivers `inbox` beside what it has a dispatcher for.
  const register = (name: string, methods: string[], seen = 'now()') =>
    database.pool.query(
      `INSERT INTO herald.worker (name, methods, version, seen_at, notified) VALUES ($1, $2, '0.1.0', ${seen}, true)`,
      [name, ['inbox', ...methods]],
    );
  const workersFound = async () =>
    (await examineDatabase(database.pool)).filter(({ check, level }) => check === 'workers' && level !== 'ok');
  afterEach(() => database.pool.query('TRUNCATE herald.worker, herald.message, herald.refusal, herald.sender'));

  test('finds nothing to warn of on a laptop whose worker delivers everything that waits', async () => {
    await database.pool.query(`UPDATE herald.method SET paused_at = NULL, pause_kind = NULL`);
    await register('laptop', ['smtp', 'webhook']);
    const findings = [...(await examineDatabase(database.pool)), ...(await examineSmtp(null))];
    expect(findings.filter(({ level }) => level === 'warning' || level === 'problem')).toEqual([]);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'smtp', level: 'info', text: expect.stringContaining('not examined') }),
    );
  });

  test('names a method that none of them delivers: a problem if a message waits for it', async () => {
    await register('w1', ['webhook']);
    expect(await workersFound()).toMatchObject([
      { level: 'info', text: expect.stringContaining('delivers smtp; no message') },
    ]);
    await database.pool.query(
      `SELECT herald.enqueue('greeting', '{"id": "1", "email": "a@example.com"}', '{"who": "x"}')`,
    );
    expect(await workersFound()).toMatchObject([
      {
        level: 'problem',
        text: 'no connected worker delivers smtp: 1 pending, 0 held',
        remedy: 'start one with a dispatcher for smtp',
      },
    ]);
  });

  test('knows a worker behind a pooler, and does not count one that is dead', async () => {
    await register('pooled', ['smtp', 'webhook']);
    await database.pool.query('UPDATE herald.worker SET notified = false');
    expect(await workersFound()).toMatchObject([
      { level: 'warning', text: expect.stringContaining('NOTIFY does not reach it') },
    ]);
    await database.pool.query(`UPDATE herald.worker SET seen_at = now() - interval '2 minutes'`);
    expect(await workersFound()).toMatchObject([{ level: 'warning', text: 'none connected' }]);
  });

  test('reports a worker that is connected and does not register', async () => {
    const silent = new Client({ connectionString: database.url, application_name: 'pg-herald worker silent' });
    await silent.connect();
    try {
      expect(await workersFound()).toMatchObject([
        { level: 'problem', text: '1 connected, and none has reported for a minute' },
      ]);
      await register('w1', ['smtp', 'webhook']);
      expect(await workersFound()).toMatchObject([
        { level: 'warning', text: '1 of them did not report in the last minute' },
      ]);
      const status = await runCli(['status', '--table'], { DATABASE_URL: database.url });
      expect(status.out).toContain('2 workers connected, 1 of them did not report in the last minute');
    } finally {
      await silent.end();
    }
  });

  test('are listed with the refusals that may still count against a sender', async () => {
    await database.pool.query(
      `INSERT INTO herald.refusal (method, sender, kind, message_id, recipient, reply)
       SELECT 'smtp', 'main', 'refused', gen_random_uuid(), n::text, '{"code": "550", "enhanced": "5.7.1", "phase": "recipient"}'
       FROM generate_series(1, 2) n`,
    );
    const refusals = async () => (await examineDatabase(database.pool)).filter(({ check }) => check === 'refusals');
    expect(await refusals()).toMatchObject([
      {
        level: 'info',
        text:
          'smtp sender main: 2 messages to 2 recipients refused since it last accepted one, last with 550 5.7.1 ' +
          '(recipient); three alike to different recipients pause it',
      },
    ]);
    await database.pool.query(`INSERT INTO herald.sender (method, name, succeeded_at) VALUES ('smtp', 'main', now())`);
    expect(await refusals()).toEqual([]);
  });
});
