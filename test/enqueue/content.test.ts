/** What all messages of a notification share is stored once, and encrypted labels belong to one notification. */
import * as v from 'valibot';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createHerald } from '../../src/enqueue/enqueue.ts';
import { createSecretBox, labelSecrets } from '../../src/secrets.ts';
import { defineTemplate } from '../../src/templates/define.ts';
import { openEnqueueing } from './support.ts';

const it = await openEnqueueing();
afterAll(it.close);
beforeEach(() => it.reset());

const crowd = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `r${index}`, email: `r${index}@example.com` }));

describe('the content of a notification', () => {
  test('is written once, however many recipients', { timeout: 60_000 }, async () => {
    const noise = Array.from({ length: 20_000 }, () => Math.random());
    await it.enqueue({ to: crowd(2000), data: noise.slice(0, 10_000) });
    expect([await it.count(), await it.count('herald.notification')]).toEqual([2000, 1]);
    const { rows } = await it.pool.query(
      `SELECT pg_total_relation_size('herald.message') + pg_total_relation_size('herald.notification') AS bytes`,
    );
    // 2,000 copies of it would be 400 MB.
    expect(Number(rows[0].bytes)).toBeLessThan(20_000_000);
  });

  test('is not written where every message exists already', async () => {
    for (let times = 0; times < 2; times++) await it.enqueue({ dedupeKey: 'k' });
    expect([await it.count(), await it.count('herald.notification')]).toEqual([1, 1]);
  });
});

describe('what each message stores of its own is bounded before the work', () => {
  test('targets times recipients', { timeout: 60_000 }, async () => {
    const targets = Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(200, 'x'));
    await expect(it.enqueue({ to: crowd(20_000), targets })).rejects.toThrow(/the limit is 268435456/);
    expect(await it.count()).toBe(0);
  });

  test('recipients times methods and endpoints', { timeout: 60_000 }, async () => {
    await it.pool.query(`INSERT INTO herald.endpoint (name, groups, url_host, sealed)
      SELECT 'e' || i, '{}', 'example.com', 'x' FROM generate_series(1, 30) i`);
    await expect(it.enqueue({ to: crowd(10_000), methods: ['webhook'] })).rejects.toThrow(
      /300000 messages, the limit of one call is 200000/,
    );
    await it.pool.query('TRUNCATE herald.endpoint');
  });
});

describe('encrypted labels', () => {
  const code = defineTemplate({
    name: 'code',
    labels: v.object({ who: v.string(), code: v.string() }),
    secrets: ['code'],
  });
  const box = createSecretBox([Buffer.alloc(32, 1).toString('base64')]);
  const { encryptLabels, decryptLabels } = labelSecrets(box);

  test('copied from a dump cannot be enqueued again for another recipient', async () => {
    const herald = createHerald({ encryptLabels });
    await herald.enqueue(it.pool, code, {
      autocommit: true,
      to: { id: 'victim', email: 'v@example.com' },
      labels: { who: 'v', code: '42' },
    });
    const { rows } = await it.pool.query(
      'SELECT m.secrets, n.seal_id FROM herald.message m JOIN herald.notification n ON n.id = m.notification_id',
    );
    const [{ secrets, seal_id: sealId }] = rows;
    expect(decryptLabels(secrets, 'code', sealId)).toEqual({ code: '42' });
    const steal = (more: object) =>
      it.pool.query('SELECT herald.enqueue($1::jsonb)', [
        JSON.stringify({
          template: 'code',
          to: { id: 'thief', email: 't@example.com' },
          labels: { who: 't' },
          secrets,
          ...more,
        }),
      ]);
    await expect(steal({ sealId })).rejects.toMatchObject({ code: 'HE002', message: /belong to another notification/ });
    // Without the id of the seal they are not decrypted, and with another one they cannot be.
    await expect(steal({})).rejects.toMatchObject({ code: 'HE002', message: /must be encrypted/ });
    await steal({ allowPlainSecrets: true });
    const { rows: stolen } = await it.pool.query(`SELECT secrets FROM herald.message WHERE recipient_id = 'thief'`);
    expect(decryptLabels(stolen[0].secrets, 'code', null)).toEqual(secrets);
    expect(() => decryptLabels(secrets, 'code', '00000000-0000-4000-8000-000000000000')).toThrow(/cannot be decrypted/);
  });

  test('of a notification that was purged cannot be enqueued again from an old dump', async () => {
    const secrets = encryptLabels({ code: '43' }, 'code', '01932f4e-9a00-7123-8123-123456789abc');
    const replay = (sealId: string) =>
      it.pool.query('SELECT herald.enqueue($1::jsonb)', [
        JSON.stringify({ template: 'code', to: { id: 'thief' }, labels: { who: 't' }, secrets, sealId }),
      ]);
    for (const sealId of [
      '01932f4e-9a00-7123-8123-123456789abc',
      '0fff2f4e-9a00-7123-8123-123456789abc',
      '5ff5b6a5-6b52-4c5b-8f0e-123456789abc',
    ])
      await expect(replay(sealId)).rejects.toMatchObject({ code: 'HE006', column: 'sealId' });
  });

  test('that the template does not declare are refused: they would shadow what an operator sees', async () => {
    const shadow = { template: 'greeting', to: { id: 'a' }, labels: { who: 'shown' }, secrets: { who: 'sent' } };
    await expect(it.pool.query('SELECT herald.enqueue($1::jsonb)', [JSON.stringify(shadow)])).rejects.toMatchObject({
      code: 'HE002',
      column: 'secrets.who',
      message: /does not declare "who" secret/,
    });
  });
});
