/** Endpoints managed from code alone, as an application does whose tenants add webhooks. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createSecretBox,
  createWorker,
  endpoints,
  type NewEndpoint,
  type NotifyOwner,
  readTemplates,
  shippedTemplatesFolder,
  smtp,
  syncTemplates,
  type Worker,
  webhook,
} from '../../src/index.ts';
import { brand, greetingFile, keepingLogger, putTemplates } from '../support/application.ts';
import { type Answer, startHttpServer, type TestHttpServer } from '../support/http-server.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { useDatabase } from '../support/use-database.ts';
import { until } from '../support/wait.ts';

const key = Buffer.alloc(32, 5).toString('base64');
const secrets = createSecretBox([key]);
const egress = { allowCidrs: ['127.0.0.1'] };

const database = useDatabase({ templates: { greeting: greetingFile } });
let receiver: TestHttpServer;
let answer: Answer = {};
let worker: Worker | null = null;
beforeEach(async () => {
  receiver = await startHttpServer({ answer: () => answer });
});
afterEach(async () => {
  await worker?.stop();
  worker = null;
  answer = {};
  await receiver.close();
  await database.pool.query('TRUNCATE herald.message, herald.attempt, herald.endpoint; DELETE FROM herald_queue.job');
});

const stored = () => endpoints(database.pool, { secrets, egress });
const add = (changes: Partial<NewEndpoint> = {}) => stored().add({ url: receiver.url, ...changes });

async function enqueue(recipient = 'ada'): Promise<string> {
  const { rows } = await database.pool.query<{ message_id: string }>(
    `SELECT message_id FROM herald.enqueue('greeting', jsonb_build_object('id', $1::text), '{"who": "Ada"}', methods => '{webhook}')`,
    [recipient],
  );
  return rows[0]?.message_id ?? '';
}

const statusOf = async (id: string): Promise<string | undefined> =>
  (await database.pool.query<{ status: string }>('SELECT status FROM herald.message WHERE id = $1', [id])).rows[0]
    ?.status;

describe('the owner of an endpoint that answers 410', () => {
  async function deliver(options: { notifyOwner?: NotifyOwner } = {}) {
    const relay = await startSmtpServer();
    const logger = keepingLogger();
    worker = createWorker({
      connectionString: database.url,
      brand,
      logger,
      pollSeconds: 0.1,
      dispatchers: {
        smtp: smtp({
          host: '127.0.0.1',
          port: relay.port,
          tls: 'none',
          allowPlaintext: true,
          from: { address: 'app@acme.example' },
        }),
        webhook: webhook({ endpoints: { secrets, ...options }, egress }),
      },
    });
    await worker.start();
    return { relay, logger };
  }

  test('gets the email that the docs promise, with nothing but library calls', async () => {
    await syncTemplates(database.pool, (await readTemplates(shippedTemplatesFolder)).sources);
    const { id } = await add({ contact: 'ops@acme.example' });
    answer = { status: 410 };
    await enqueue();
    const { relay } = await deliver();
    const [email] = await relay.waitFor(1);
    expect(email?.to).toEqual(['ops@acme.example']);
    expect(email?.raw.toString()).toContain('Your webhook endpoint was switched off');
    expect(await stored().show(id)).toMatchObject({ state: 'disabled', disabledReason: 'gone' });
    await worker?.stop();
    await relay.close();
  });

  test('does not keep it on where the email is refused: the template wants a label that we do not know', async () => {
    const shipped = readFileSync(join(shippedTemplatesFolder, 'endpoint-disabled.md'), 'utf8');
    const changed = shipped.replace('    url: ', '    team: a\n    url: ');
    await putTemplates(database.pool, { 'endpoint-disabled': `${changed}\n{{labels.team}}\n` });
    const { id } = await add({ contact: 'ops@acme.example' });
    answer = { status: 410 };
    await enqueue();
    const { relay, logger } = await deliver();
    await until(async () => (await stored().show(id))?.state === 'disabled', { timeoutMs: 15_000 });
    expect(logger.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: 'cannot tell the owner of an endpoint' }),
    );
    await worker?.stop();
    await relay.close();
    await putTemplates(database.pool, { 'endpoint-disabled': shipped });
  });

  test('does not keep it on by being out of reach: it is switched off and other endpoints are recorded', async () => {
    const { id } = await add({ name: 'dead', recipientId: 'ada' });
    const other = await add({ name: 'other', recipientId: 'bob' });
    answer = { status: 410 };
    await Promise.all([enqueue('ada'), enqueue('bob')]);
    const { relay, logger } = await deliver({
      notifyOwner: async (client, { name }) => {
        if (name === 'dead') await client.query('SELECT no_such_function()');
      },
    });
    const off = async (endpoint: string) => (await stored().show(endpoint))?.state === 'disabled';
    await until(async () => (await off(id)) && (await off(other.id)), { timeoutMs: 15_000 });
    const later = await enqueue('ada');
    expect(await statusOf(later)).toBe('inhibited');
    expect(logger.lines).toContainEqual({
      level: 'error',
      fields: { endpointId: id, kind: 'disabled', error: '42883' },
      message: 'cannot tell the owner of an endpoint',
    });
    await worker?.stop();
    await relay.close();
  });
});

describe('endpoints(pool, options)', () => {
  test('adds, lists by owner and shows, never with what is encrypted', async () => {
    const { id, secret } = await add({ tenant: 'acme', headers: { authorization: 'Bearer hidden' } });
    await add({ recipientId: 'ada', name: 'Ada' });
    expect(secret).toMatch(/^whsec_/);
    expect(await stored().list({ tenant: 'acme' })).toMatchObject([
      { id, tenant: 'acme', name: receiver.url.slice(7) },
    ]);
    expect(await stored().list({ recipientId: 'ada' })).toMatchObject([{ name: 'Ada' }]);
    expect(await stored().list()).toHaveLength(2);
    const details = await stored().show(id);
    expect(details).toMatchObject({ state: 'healthy', maxConcurrency: 10, requestsPerSecond: null, failures: 0 });
    expect(JSON.stringify(details)).not.toMatch(/hidden|whsec_|herald1\./);
  });

  test('works inside a transaction: a rollback takes the endpoint back', async () => {
    const client = await database.pool.connect();
    await client.query('BEGIN');
    const { id } = await endpoints(client, { secrets, egress }).add({ url: receiver.url });
    expect(await endpoints(client).show(id)).not.toBeNull();
    await client.query('ROLLBACK');
    client.release();
    expect(await endpoints(database.pool).show(id)).toBeNull();
  });

  test('disables, holds, enables and replays', async () => {
    const { id } = await add();
    const waiting = await enqueue();
    expect(await stored().disable(id)).toBe(1);
    expect(await statusOf(waiting)).toBe('held');
    expect(await stored().enable(id)).toBe(1);
    expect(await statusOf(waiting)).toBe('pending');
    await database.pool.query(`UPDATE herald.message SET status = 'sent', settled_at = now()`);
    expect(await stored().replay(id, { since: new Date(Date.now() - 60_000) })).toBe(1);
    await database.pool.query(`UPDATE herald.message SET status = 'sent', settled_at = now()`);
    expect(await stored().replayMessage(waiting)).toMatchObject({ retried: true });
    expect(await stored().remove(id)).toBe(1);
    expect(await stored().show(id)).toBeNull();
  });

  test('pings and explains, rotates and verifies', async () => {
    const { id, secret } = await add();
    answer = { status: 401 };
    expect(await stored().ping(id, { appName: 'Acme' })).toMatchObject({
      accepted: false,
      status: '401',
      explanation: expect.stringContaining('check that it verifies with the current secret'),
    });
    answer = { status: 204 };
    expect(await stored().ping(id, { appName: 'Acme' })).toMatchObject({ accepted: true });
    const next = await stored().rotate(id, { overlapSeconds: 0 });
    expect(next).toMatch(/^whsec_/);
    expect(next).not.toBe(secret);
    expect(await stored().verify(id)).toBe(true);
  });

  test.each(['no-uuid', randomUUID()])('knows no endpoint %s', async (id) => {
    const all = stored();
    expect(await all.show(id)).toBeNull();
    expect(await all.rotate(id)).toBeNull();
    expect(await all.enable(id)).toBeNull();
    expect(await all.disable(id)).toBeNull();
    expect(await all.remove(id)).toBeNull();
    expect(await all.replay(id, { since: new Date(0) })).toBeNull();
    expect(await all.replayMessage(id)).toBeNull();
    expect(await all.ping(id, { appName: 'Acme' })).toBeNull();
    expect(await all.verify(id)).toBe(false);
  });

  test('refuses what is wrong by name and remedy, and stores nothing', async () => {
    const without = endpoints(database.pool, { egress });
    await expect(without.add({ url: receiver.url })).rejects.toThrow(/^secrets: is missing; give createSecretBox/);
    await expect(add({ contact: 'nobody' })).rejects.toThrow('endpoint.contact: must be one email address');
    await expect(endpoints(database.pool, { secrets }).add({ url: receiver.url })).rejects.toThrow(
      /HERALD_WEBHOOK_ALLOW_HOSTS/,
    );
    expect(await stored().list()).toEqual([]);
  });

  test('previous secrets of a new endpoint sign as well', async () => {
    const previous = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    const current = `whsec_${Buffer.alloc(32, 2).toString('base64')}`;
    const { id } = await add({ secret: current, previousSecrets: [previous] });
    await stored().ping(id, { appName: 'Acme' });
    const signatures = String(receiver.received()[0]?.headers['webhook-signature']).split(' ');
    expect(signatures).toHaveLength(2);
  });
});

test('after reseal the old key can be retired', async () => {
  const { id } = await add();
  const lost = await add();
  const other = createSecretBox([Buffer.alloc(32, 9).toString('base64')]);
  await endpoints(database.pool, { secrets: other, egress }).add({ url: receiver.url });
  await database.pool.query(
    'UPDATE herald.endpoint SET sealed = (SELECT sealed FROM herald.endpoint WHERE id = $1) WHERE id = $2',
    [id, lost.id],
  );
  const current = Buffer.alloc(32, 6).toString('base64');
  const both = endpoints(database.pool, { secrets: createSecretBox([current, key]), egress });
  const report = await both.reseal();
  expect(report).toMatchObject({ resealed: 1, current: 0 });
  expect(report.unreadable).toContain(lost.id);
  expect(report.unreadable).toHaveLength(2);
  expect(await both.reseal()).toMatchObject({ resealed: 0, current: 1 });
  const alone = endpoints(database.pool, { secrets: createSecretBox([current]), egress });
  expect(await alone.ping(id, { appName: 'Acme' })).toMatchObject({ accepted: true });
});
