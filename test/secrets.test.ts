import { randomBytes } from 'node:crypto';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { createHerald } from '../src/enqueue/enqueue.ts';
import { ConfigurationError } from '../src/errors.ts';
import { examineDatabase } from '../src/operate/doctor/database.ts';
import { smtp } from '../src/dispatch/smtp/smtp.ts';
import { explain } from '../src/operate/why.ts';
import { showMessage } from '../src/operate/messages.ts';
import { createSecretBox, DecryptionError, labelSecrets } from '../src/secrets.ts';
import { defineTemplate } from '../src/templates/define.ts';
import { greetingFile, keepingLogger, putTemplates, scriptedDispatcher, testWorker } from './support/application.ts';
import { useDatabase } from './support/use-database.ts';
import { keepSpans } from './support/tracing.ts';
import { conversation, startSmtpScript } from './support/smtp-script.ts';
import { until } from './support/wait.ts';

const newKey = () => randomBytes(32).toString('base64');

describe('a secret box', () => {
  const [old, current] = [newKey(), newKey()];

  test('opens what it sealed, in its place only', () => {
    const box = createSecretBox([current]);
    const sealed = box.encrypt('sesame 🦊', 'here');
    expect(sealed).toMatch(/^herald1\./);
    expect(sealed).not.toContain('sesame');
    expect(box.decrypt(sealed, 'here')).toBe('sesame 🦊');
    expect(() => box.decrypt(sealed, 'there')).toThrow(ConfigurationError);
    expect(() => box.decrypt(`${sealed.slice(0, -4)}AAAA`, 'here')).toThrow(/changed, or moved/);
    expect(box.encrypt('x', '')).not.toBe(box.encrypt('x', ''));
  });

  test('opens with an old key while it is known, and says which one is missing afterwards', () => {
    const sealed = createSecretBox([old]).encrypt('x', '');
    expect(createSecretBox([current, old]).decrypt(sealed, '')).toBe('x');
    expect(() => createSecretBox([current]).decrypt(sealed, '')).toThrow(/the key "[0-9a-f]{8}" that encrypted/);
  });

  test('says that a text was changed, which no other key can help', () => {
    const box = createSecretBox([current]);
    const sealed = box.encrypt('', 'here');
    const short = sealed.replace(/[\w-]{22}$/, (tag) =>
      Buffer.from(tag, 'base64url').subarray(0, 4).toString('base64url'),
    );
    for (const text of [
      'herald1.a.b.c',
      'plain',
      '',
      short,
      `${sealed.slice(0, -2)}AA`,
      sealed.replace('herald1', 'herald2'),
    ]) {
      expect(() => box.decrypt(text, 'here')).toThrow(DecryptionError);
    }
    expect(box.decrypt(sealed, 'here')).toBe('');
    expect(() => createSecretBox([old]).decrypt(sealed, 'here')).not.toThrow(DecryptionError);
  });

  test.each([
    `!!!${newKey()}`,
    `${newKey()}garbage`,
    newKey().slice(0, 43),
    Buffer.alloc(32, 0xff).toString('base64url'),
    `${Buffer.alloc(32).toString('base64').slice(0, 42)}B=`,
  ])('refuses "%s", which is a key with a typing error', (key) => {
    expect(() => createSecretBox([key])).toThrow(/base64 of 32 bytes/);
    expect(() => createSecretBox([key])).not.toThrow(key);
  });

  test.each(['', 'short', Buffer.alloc(31).toString('base64')])('refuses "%s" as a key', (key) => {
    expect(() => createSecretBox([key])).toThrow(/base64 of 32 bytes/);
  });

  test('refuses a text whose tag was shortened', () => {
    const box = createSecretBox([current]);
    const sealed = box.encrypt('', 'place');
    const [prefix, id, nonce, text = ''] = sealed.split('.');
    for (let length = 0; length < 16; length += 1) {
      const short = Buffer.from(text, 'base64url').subarray(0, length).toString('base64url');
      expect(() => box.decrypt([prefix, id, nonce, short].join('.'), 'place')).toThrow(/cannot be decrypted/);
    }
  });

  test.each([
    ['characters before it', (key: string) => `!!!${key}`],
    ['characters after it', (key: string) => `${key}garbage`],
    ['a missing =', (key: string) => key.slice(0, -1)],
    ['a space inside', (key: string) => `${key.slice(0, 10)} ${key.slice(10)}`],
    ['base64url', () => Buffer.alloc(32, 255).toString('base64url')],
  ])('refuses a key with %s', (_, change) => {
    const key = Buffer.alloc(32, 4).toString('base64');
    expect(() => createSecretBox([change(key)])).toThrow(/^secret key: must be base64 of 32 bytes/);
    expect(() => createSecretBox([`${key}\n`])).not.toThrow();
  });
});

describe('secret labels', () => {
  const database = useDatabase({
    templates: {
      code: greetingFile
        .replace('group:', 'secrets: [code]\ngroup:')
        .replace('welcome', 'your code is {{labels.code}}'),
    },
  });
  const template = defineTemplate({
    name: 'code',
    labels: v.object({ who: v.string(), code: v.string() }),
    secrets: ['code'],
  });

  test('are encrypted at rest, reach the recipient, and are wiped when the message settles', async () => {
    const { encryptLabels, decryptLabels } = labelSecrets(createSecretBox([newKey()]));
    const herald = createHerald({ encryptLabels });
    const [message] = await herald.enqueue(database.pool, template, {
      autocommit: true,
      to: { id: 'ada', email: 'ada@example.com' },
      labels: { who: 'Ada', code: '4F9K-27QX' },
    });
    const everything = async () =>
      JSON.stringify(
        (
          await database.pool.query(
            'SELECT m.*, n.*, a.* FROM herald.message m JOIN herald.notification n ON n.id = m.notification_id LEFT JOIN herald.attempt a ON a.message_id = m.id',
          )
        ).rows,
      );
    expect(await everything()).not.toContain('4F9K');

    const logger = keepingLogger();
    const smtp = scriptedDispatcher(({ attempt }) =>
      attempt === 1 ? { outcome: 'retry', reason: 'deferred', detail: '' } : { outcome: 'sent' },
    );
    const worker = testWorker(database.url, { dispatchers: { smtp }, decryptLabels, logger });
    await worker.start();
    await until(async () => (await database.pool.query(`SELECT 1 FROM herald.message WHERE status = 'sent'`)).rowCount);
    await worker.stop();
    expect(smtp.deliveries.map((delivery) => delivery.content.text)).toEqual(
      Array(2).fill(expect.stringContaining('4F9K-27QX')),
    );
    expect(smtp.deliveries[0]?.labels).toEqual({ who: 'Ada' });
    expect((await database.pool.query('SELECT secrets FROM herald.message')).rows).toEqual([{ secrets: null }]);

    const shown = await showMessage(database.pool, message?.id ?? '');
    expect(shown?.secretLabels).toEqual(['code']);
    const told = JSON.stringify([shown, shown && explain(shown, new Date()), logger.lines, await everything()]);
    expect(told).not.toContain('4F9K');
  });

  const declaredInFileOnly = defineTemplate({ name: 'code', labels: v.object({ who: v.string(), code: v.string() }) });
  const to = { id: 'ada', email: 'ada@example.com' };
  const labels = { who: 'Ada', code: '4F9K-27QX' };
  const storedSecrets = async () =>
    (await database.pool.query<{ secrets: unknown }>('SELECT secrets FROM herald.message')).rows;

  test('are encrypted when only the template file declares them', async () => {
    await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.notification');
    const { encryptLabels } = labelSecrets(createSecretBox([newKey()]));
    const herald = createHerald({ encryptLabels });
    await herald.enqueue(database.pool, declaredInFileOnly, { autocommit: true, to, labels });
    await herald.enqueueFrom(database.pool, declaredInFileOnly, {
      autocommit: true,
      recipients: { text: `SELECT 'bob' AS id, 'bob@example.com' AS email` },
      labels,
    });
    const sealed = { secrets: { code: expect.stringMatching(/^herald1\./) } };
    expect(await storedSecrets()).toEqual([sealed, sealed]);
    const { rows } = await database.pool.query('SELECT labels FROM herald.notification');
    expect(JSON.stringify(rows)).not.toContain('4F9K');
  });

  test('are refused in plain text, from code and from SQL, unless that is asked for', async () => {
    await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.notification');
    for (const each of [template, declaredInFileOnly]) {
      const error = await createHerald()
        .enqueue(database.pool, each, { autocommit: true, to, labels })
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ issues: [{ path: 'labels.code', message: /must be encrypted.*encryptLabels/ }] });
      expect(String(error)).not.toContain('4F9K');
    }
    const inSql = (more: object) =>
      database.pool.query('SELECT herald.enqueue($1::jsonb)', [
        JSON.stringify({ template: 'code', to, labels, ...more }),
      ]);
    await expect(inSql({})).rejects.toMatchObject({ code: 'HE002', column: 'labels.code' });
    await expect(
      database.pool.query('SELECT herald.enqueue($1, $2::jsonb, labels => $3::jsonb)', [
        'code',
        JSON.stringify(to),
        JSON.stringify(labels),
      ]),
    ).rejects.toMatchObject({ code: 'HE002' });
    // A seal does not make the other labels encrypted.
    const { rows } = await database.pool.query('SELECT herald.uuid_v7() AS id');
    await expect(inSql({ secrets: {}, sealId: rows[0].id })).rejects.toMatchObject({ code: 'HE002' });
    expect(await storedSecrets()).toEqual([]);
    await inSql({ allowPlainSecrets: true });
    expect(await storedSecrets()).toEqual([{ secrets: { code: '4F9K-27QX' } }]);
    expect(await examineDatabase(database.pool)).toContainEqual(
      expect.objectContaining({ check: 'secrets', level: 'warning', text: expect.stringMatching(/^1 waiting/) }),
    );
  });

  test('that a sync adds are refused once by a herald that knew the template before, and encrypted then', async () => {
    await putTemplates(database.pool, { later: greetingFile.replace('welcome', 'your code is {{labels.code}}') });
    const later = defineTemplate({ name: 'later', labels: v.object({ who: v.string(), code: v.string() }) });
    const herald = createHerald({ encryptLabels: labelSecrets(createSecretBox([newKey()])).encryptLabels });
    await herald.enqueue(database.pool, later, { autocommit: true, to, labels });
    await putTemplates(database.pool, {
      later: greetingFile
        .replace('group:', 'secrets: [code]\ngroup:')
        .replace('welcome', 'your code is {{labels.code}}'),
    });
    await expect(herald.enqueue(database.pool, later, { autocommit: true, to, labels })).rejects.toThrow(
      /must be encrypted/,
    );
    await herald.enqueue(database.pool, later, { autocommit: true, to, labels });
    const { rows } = await database.pool.query(
      `SELECT secrets FROM herald.message WHERE template = 'later' ORDER BY created_at DESC LIMIT 1`,
    );
    expect(rows).toEqual([{ secrets: { code: expect.stringMatching(/^herald1\./) } }]);
  });

  test('are blacked out for receivers that are not the recipient', async () => {
    await database.pool.query('TRUNCATE herald.message, herald.attempt');
    const herald = createHerald({ allowPlainSecrets: true });
    await herald.enqueue(database.pool, template, {
      autocommit: true,
      to: { id: 'ada', email: 'ada@example.com' },
      labels: { who: 'Ada', code: '4F9K-27QX' },
    });
    const smtp = { ...scriptedDispatcher(), withholdSecrets: true };
    const worker = testWorker(database.url, { dispatchers: { smtp } });
    await worker.start();
    await until(() => smtp.deliveries.length === 1);
    await worker.stop();
    expect(smtp.deliveries[0]?.content.text).toContain('your code is ••••••');
    expect(JSON.stringify(smtp.deliveries)).not.toContain('4F9K');
  });

  test('that cannot be decrypted are retried as a fault of ours, without a word of them', async () => {
    await database.pool.query('TRUNCATE herald.message, herald.attempt');
    const herald = createHerald({ encryptLabels: labelSecrets(createSecretBox([newKey()])).encryptLabels });
    await herald.enqueue(database.pool, template, {
      autocommit: true,
      to: { id: 'ada', email: 'ada@example.com' },
      labels: { who: 'Ada', code: '4F9K-27QX' },
    });
    const worker = testWorker(database.url, {
      dispatchers: { smtp: scriptedDispatcher() },
      decryptLabels: labelSecrets(createSecretBox([newKey()])).decryptLabels,
    });
    await worker.start();
    await until(
      async () =>
        (await database.pool.query(`SELECT 1 FROM herald.attempt WHERE outcome = 'retry' AND reason = 'misconfigured'`))
          .rowCount,
    );
    await worker.stop();
  });

  test('that no worker can decrypt for a day are counted from then on, and the message fails', async () => {
    await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.notification');
    const { encryptLabels } = labelSecrets(createSecretBox([newKey()]));
    await createHerald({ encryptLabels }).enqueue(database.pool, template, { autocommit: true, to, labels });
    const worker = testWorker(database.url, {
      dispatchers: { smtp: scriptedDispatcher() },
      decryptLabels: labelSecrets(createSecretBox([newKey()])).decryptLabels,
    });
    await worker.start();
    const attempts = async () =>
      (await database.pool.query<{ counted: boolean }>('SELECT counted FROM herald.attempt ORDER BY number')).rows;
    await until(async () => (await attempts()).length === 1);
    await database.pool.query(`UPDATE herald.message SET uncounted_since = now() - interval '25 hours'`);
    const story = async () =>
      (await database.pool.query<{ status: string; reason: string }>('SELECT status, reason FROM herald.message'))
        .rows[0];
    await until(
      async () => {
        await database.pool.query(`UPDATE herald.message SET next_attempt_at = now() WHERE status = 'pending'`);
        await database.pool.query('SELECT herald.ensure_jobs(ARRAY(SELECT id FROM herald.message))');
        return (await story())?.status === 'failed';
      },
      { intervalMs: 200 },
    );
    await worker.stop();
    expect((await story())?.reason).toBe('misconfigured');
    expect((await attempts()).map(({ counted }) => counted)).toEqual([false, true, true, true]);
  });

  test('that a relay repeats in its reply are stored nowhere and logged nowhere', async () => {
    await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.notification');
    const repeated = Buffer.from('4F9K-27QX').toString('base64');
    const relay = await startSmtpScript(
      conversation({
        message: {
          expect: 'message',
          reply: `550-5.7.1 spam: 4F9K-27QX\r\n550 5.7.1 in ${repeated} to ada@example.com`,
        },
      }),
    );
    const { encryptLabels, decryptLabels } = labelSecrets(createSecretBox([newKey()]));
    await createHerald({ encryptLabels }).enqueue(database.pool, template, { autocommit: true, to, labels });
    const logger = keepingLogger();
    const worker = testWorker(database.url, {
      dispatchers: {
        smtp: smtp({ host: relay.host, port: relay.port, tls: 'none', from: { address: 'noreply@acme.example' } }),
      },
      decryptLabels,
      logger,
    });
    await worker.start();
    const refused = 'SELECT a.reply_text, a.detail, m.detail AS story FROM herald.attempt a, herald.message m';
    await until(async () => ((await database.pool.query(refused)).rowCount ?? 0) >= 1);
    await worker.stop();
    await relay.close();
    expect(relay.messages()[0]).toContain('4F9K-27QX');
    const kept = JSON.stringify([(await database.pool.query(refused)).rows, logger.lines]);
    expect(kept).toContain('5.7.1');
    expect(kept).not.toMatch(/4F9K|NEY5Sy|ada@example/);
  });

  test('that belong to another notification fail their message at once', async () => {
    await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.notification');
    const { encryptLabels, decryptLabels } = labelSecrets(createSecretBox([newKey()]));
    const herald = createHerald({ encryptLabels });
    for (const id of ['victim', 'thief'])
      await herald.enqueue(database.pool, template, {
        autocommit: true,
        to: { id, email: `${id}@example.com` },
        labels,
      });
    await database.pool.query(`UPDATE herald.message SET secrets =
      (SELECT secrets FROM herald.message WHERE recipient_id = 'victim') WHERE recipient_id = 'thief'`);
    const smtp = scriptedDispatcher();
    const worker = testWorker(database.url, { dispatchers: { smtp }, decryptLabels });
    await worker.start();
    const settled = `SELECT recipient_id, status, reason FROM herald.message WHERE settled_at IS NOT NULL ORDER BY 1`;
    await until(async () => (await database.pool.query(settled)).rowCount === 2);
    await worker.stop();
    expect((await database.pool.query(settled)).rows).toEqual([
      { recipient_id: 'thief', status: 'failed', reason: 'render_failed' },
      { recipient_id: 'victim', status: 'sent', reason: null },
    ]);
    expect(smtp.deliveries).toHaveLength(1);
  });

  test('are in no span and no metric, and neither are addresses, bodies and what receivers say', async () => {
    await database.pool.query('TRUNCATE herald.message, herald.attempt');
    const kept = keepSpans();
    const reader = new PrometheusExporter({ preventServerStart: true });
    const telemetry = { tracerProvider: kept.provider, meterProvider: new MeterProvider({ readers: [reader] }) };
    const told = 'ada@example.com: 4F9K-27QX refused, Countess';
    const answers = {
      accepted: () =>
        ({ outcome: 'sent', detail: told, reply: { code: '250', text: told, receiverId: told } }) as const,
      refused: () =>
        ({
          outcome: 'failed',
          reason: 'refused',
          detail: told,
          reply: { code: '550', text: told },
          alert: true,
        }) as const,
      broken: () => {
        throw new Error(told);
      },
    };
    const smtp = scriptedDispatcher(({ recipient }) => answers[recipient.id as keyof typeof answers]());
    const logger = keepingLogger();
    const herald = createHerald({ telemetry, allowPlainSecrets: true });
    await herald.enqueue(database.pool, template, {
      autocommit: true,
      to: Object.keys(answers).map((id) => ({ id, email: 'ada@example.com', name: 'Countess Ada' })),
      labels: { who: 'Ada', code: '4F9K-27QX' },
      dedupeKey: 'dedupe-4F9K',
      targets: ['target-4F9K'],
    });
    await expect(
      herald.enqueue(database.pool, template, {
        autocommit: true,
        to: { id: 'x', email: 'ada@example.com 4F9K' },
        labels: { who: '', code: '' },
        strict: true,
      }),
    ).rejects.toThrow();
    const worker = testWorker(database.url, { dispatchers: { smtp }, telemetry, logger });
    await worker.start();
    await until(async () => (await database.pool.query('SELECT FROM herald.attempt')).rowCount === 5);
    const metrics = new PrometheusSerializer().serialize((await reader.collect()).resourceMetrics);
    await worker.stop();
    const spans = kept.spans().map((span) => {
      const { name, attributes, events, status, links } = span;
      return [name, attributes, events, status, links, span.spanContext()];
    });
    expect(spans.length).toBeGreaterThanOrEqual(2 + 5 * 2);
    expect(metrics).toContain('herald_attempts_total');
    expect(metrics).toContain('herald_alerts_total');
    expect(JSON.stringify([spans, logger.lines]) + metrics).not.toMatch(
      /4F9K|@example|Countess|your code|dedupe-|target-/,
    );
  });
});
