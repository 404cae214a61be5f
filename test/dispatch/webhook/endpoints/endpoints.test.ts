import { afterEach, describe, expect, test } from 'vitest';
import { Webhook } from 'standardwebhooks';
import type { Deferral, Dispatcher } from '../../../../src/dispatch/dispatcher.ts';
import type { EndpointEvent } from '../../../../src/dispatch/webhook/endpoints/notify-owner.ts';
import {
  openSettings,
  rotateSecret,
  sealSettings,
} from '../../../../src/dispatch/webhook/endpoints/stored-endpoint.ts';
import { webhook } from '../../../../src/dispatch/webhook/webhook.ts';
import { silentLogger } from '../../../../src/vocabulary.ts';
import { createSecretBox } from '../../../../src/secrets.ts';
import { useDatabase } from '../../../support/use-database.ts';
import { context, delivery, secret, startReceiver, type Answer, type Receiver } from '../../support.ts';
import { addEndpoint, addMessages, box } from './table.ts';

const database = useDatabase();

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function receive(answer?: Answer): Promise<Receiver> {
  const receiver = await startReceiver(answer);
  open.push(() => receiver.close());
  return receiver;
}

async function replica(events: EndpointEvent[] = [], secrets = box): Promise<Dispatcher> {
  const dispatcher = webhook({
    endpoints: {
      secrets,
      notifyOwner: async (client, each) => {
        await client.query('SELECT 1');
        events.push(each);
      },
    },
    egress: { allowCidrs: ['127.0.0.1'] },
  });
  await dispatcher.start?.({ method: 'webhook', pool: database.pool, logger: silentLogger });
  open.push(() => dispatcher.close?.());
  return dispatcher;
}

/** Ends the replica, so that everything it saw is written. */
async function written(dispatcher: Dispatcher): Promise<void> {
  await dispatcher.close?.();
}

async function endpointRow(id: string): Promise<Record<string, unknown>> {
  const { rows } = await database.pool.query<Record<string, unknown>>('SELECT * FROM herald.endpoint WHERE id = $1', [
    id,
  ]);
  return rows[0] ?? {};
}

async function statusOf(id: string | undefined): Promise<string | undefined> {
  const { rows } = await database.pool.query<{ status: string }>('SELECT status FROM herald.message WHERE id = $1', [
    id,
  ]);
  return rows[0]?.status;
}

const set = (id: string, assignment: string) =>
  database.pool.query(`UPDATE herald.endpoint SET ${assignment} WHERE id = $1`, [id]);
const send = (dispatcher: Dispatcher, endpointId: string, attempt = 1) =>
  dispatcher.dispatch(delivery({ endpointId, attempt }), context());
async function admitted(dispatcher: Dispatcher, ids: readonly string[]): Promise<number> {
  const later = await dispatcher.admit?.(ids);
  return ids.length - (later?.size ?? 0);
}

test('a message goes to the endpoint that it is addressed to, signed with that secret', async () => {
  const receiver = await receive();
  const id = await addEndpoint(database.pool, { url: receiver.url, secret, headers: { 'x-tenant': 'acme' } });
  expect(await send(await replica(), id)).toMatchObject({ outcome: 'sent' });
  const [request] = receiver.received;
  expect(new Webhook(secret).verify(request?.body ?? '', request?.headers ?? {})).toBeTruthy();
  expect(request?.headers['x-tenant']).toBe('acme');
});

test('before, during and after a rotation every body verifies with the secrets that are valid then', async () => {
  const next = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
  const receiver = await receive();
  const id = await addEndpoint(database.pool, { url: receiver.url, secret });
  const dispatcher = await replica();
  const reseal = async (overlapSeconds: number, to: string) => {
    const settings = openSettings(box, id, String((await endpointRow(id))['sealed']));
    const sealed = sealSettings(box, id, rotateSecret(settings, to, { now: new Date(), overlapSeconds }));
    await database.pool.query('UPDATE herald.endpoint SET sealed = $2, updated_at = now() WHERE id = $1', [id, sealed]);
    // What admit reads is what the next call uses.
    await dispatcher.admit?.(await addMessages(database.pool, id));
  };
  const verifiesWith = () => {
    const request = receiver.received.at(-1);
    return [secret, next].map((key) => {
      try {
        new Webhook(key).verify(request?.body ?? '', request?.headers ?? {});
        return true;
      } catch {
        return false;
      }
    });
  };
  await send(dispatcher, id);
  expect(verifiesWith()).toEqual([true, false]);
  await reseal(3_600, next);
  await send(dispatcher, id);
  expect(verifiesWith()).toEqual([true, true]);
  await reseal(0, next);
  await send(dispatcher, id);
  expect(verifiesWith()).toEqual([false, true]);
});

describe('the circuit', () => {
  test('opens for all replicas, lets one probe through, and closes with its success', async () => {
    let healthy = false;
    const receiver = await receive((response) => response.writeHead(healthy ? 200 : 500).end());
    const id = await addEndpoint(database.pool, { url: receiver.url, secret });
    const [one, two] = [await replica(), await replica()];
    for (let n = 0; n < 5; n += 1)
      expect(await send(one, id)).toMatchObject({ outcome: 'retry', reason: 'server_error' });
    await written(one);
    expect((await endpointRow(id))['opened_at']).not.toBeNull();

    const waiting = await addMessages(database.pool, id, 20);
    const later = (await two.admit?.(waiting)) ?? new Map<string, Deferral>();
    expect(later.size).toBe(20);
    for (const { at } of later.values()) expect(at?.getTime()).toBeGreaterThan(Date.now() + 50_000);
    expect(receiver.received).toHaveLength(5);

    await set(id, 'probe_at = now()');
    expect(await admitted(one, waiting)).toBe(1);
    expect(await admitted(two, waiting)).toBe(0);

    healthy = true;
    expect(await send(one, id)).toMatchObject({ outcome: 'sent' });
    await written(one);
    expect(await endpointRow(id)).toMatchObject({ opened_at: null, probing: false, failures: 0 });
    expect(await admitted(two, waiting)).toBeGreaterThan(0);
  });

  test('stays open when its probe fails, for twice as long', async () => {
    const receiver = await receive((response) => response.writeHead(503).end());
    const id = await addEndpoint(database.pool, { url: receiver.url, secret });
    const dispatcher = await replica();
    for (let n = 0; n < 5; n += 1) await send(dispatcher, id);
    await written(dispatcher);
    await set(id, 'probe_at = now()');
    expect(await admitted(dispatcher, await addMessages(database.pool, id, 3))).toBe(1);
    await send(dispatcher, id);
    await written(dispatcher);
    const { probe_at: probeAt, probes } = await endpointRow(id);
    expect(probes).toBe(1);
    expect((probeAt as Date).getTime() - Date.now()).toBeGreaterThan(110_000);
  });

  test('counts failures of replicas together', async () => {
    const receiver = await receive((response) => response.writeHead(500).end());
    const id = await addEndpoint(database.pool, { url: receiver.url, secret });
    for (let n = 0; n < 5; n += 1) {
      const dispatcher = await replica();
      await send(dispatcher, id);
      await written(dispatcher);
    }
    expect(await endpointRow(id)).toMatchObject({ failures: 5, faults: 5, opened_at: expect.any(Date) });
  });

  test('costs a healthy endpoint no write', async () => {
    const receiver = await receive();
    const id = await addEndpoint(database.pool, { url: receiver.url, secret });
    const dispatcher = await replica();
    const version = async () =>
      (await database.pool.query('SELECT xmin::text FROM herald.endpoint WHERE id = $1', [id])).rows;
    const before = await version();
    for (let n = 0; n < 10; n += 1) await send(dispatcher, id);
    await written(dispatcher);
    expect(await version()).toEqual(before);
  });
});

describe('an endpoint that is switched off', () => {
  test('by 410 fails that message, holds the others and tells the owner once', async () => {
    const receiver = await receive((response) => response.writeHead(410).end());
    const id = await addEndpoint(database.pool, { url: receiver.url, secret }, { recipient_id: 'owner-1' });
    const events: EndpointEvent[] = [];
    const dispatcher = await replica(events);
    const [waiting] = await addMessages(database.pool, id);
    expect(await send(dispatcher, id)).toMatchObject({ outcome: 'failed', reason: 'gone' });
    await written(dispatcher);
    expect(await endpointRow(id)).toMatchObject({ disabled_at: expect.any(Date), disabled_reason: 'gone' });
    expect(await statusOf(waiting)).toBe('held');
    expect(events).toMatchObject([{ kind: 'disabled', reason: 'gone', endpointId: id, recipientId: 'owner-1' }]);
    const [next] = await addMessages(database.pool, id);
    expect((await dispatcher.admit?.([next ?? '']))?.get(next ?? '')).toMatchObject({ at: null, reason: 'gone' });
    expect(await send(dispatcher, id)).toMatchObject({ outcome: 'retry', reason: 'gone', countAttempt: false });
    expect(receiver.received).toHaveLength(1);
  });

  test('after five days of failures tells the owner, and deletes nothing', async () => {
    const receiver = await receive((response) => response.writeHead(404).end());
    const id = await addEndpoint(
      database.pool,
      { url: receiver.url, secret },
      { failures: 20, failing_since: new Date(Date.now() - 5 * 86_400_000) },
    );
    const events: EndpointEvent[] = [];
    const dispatcher = await replica(events);
    const [waiting] = await addMessages(database.pool, id);
    await send(dispatcher, id);
    await written(dispatcher);
    expect(await endpointRow(id)).toMatchObject({ disabled_reason: 'failing' });
    expect(events).toMatchObject([{ kind: 'disabled', reason: 'failing' }]);
    expect(await statusOf(waiting)).toBe('held');
  });

  test('because its chat service does not know it returns the message uncounted', async () => {
    const receiver = await receive((response) => response.writeHead(404).end('no_service'));
    const id = await addEndpoint(database.pool, { url: receiver.url }, { format: 'slack' });
    const dispatcher = await replica();
    expect(await send(dispatcher, id)).toMatchObject({
      outcome: 'retry',
      reason: 'authentication',
      countAttempt: false,
    });
    await written(dispatcher);
    expect(await endpointRow(id)).toMatchObject({ disabled_reason: 'unusable' });
  });

  test('and is deleted fails its messages without a call', async () => {
    const receiver = await receive();
    const id = await addEndpoint(database.pool, { url: receiver.url, secret });
    await database.pool.query('DELETE FROM herald.endpoint WHERE id = $1', [id]);
    expect(await send(await replica(), id)).toEqual({ outcome: 'failed', reason: 'gone', detail: 'endpoint deleted' });
    expect(receiver.connections()).toBe(0);
  });
});

test('the owner hears at the fourth attempt that it fails, and later that it works again', async () => {
  let healthy = false;
  const receiver = await receive((response) => response.writeHead(healthy ? 200 : 500).end());
  const id = await addEndpoint(database.pool, { url: receiver.url, secret });
  const events: EndpointEvent[] = [];
  for (const attempt of [3, 4, 5]) {
    const dispatcher = await replica(events);
    await send(dispatcher, id, attempt);
    await written(dispatcher);
  }
  healthy = true;
  const dispatcher = await replica(events);
  await send(dispatcher, id, 6);
  await written(dispatcher);
  expect(events.map(({ kind }) => kind)).toEqual(['failing', 'recovered']);
});

test('a missing key holds the message, uncounted, and is logged as an error', async () => {
  const receiver = await receive();
  const id = await addEndpoint(database.pool, { url: receiver.url, secret });
  const stranger = createSecretBox([Buffer.alloc(32, 4).toString('base64')]);
  expect(await send(await replica([], stranger), id)).toMatchObject({
    outcome: 'retry',
    reason: 'misconfigured',
    detail: 'cannot decrypt the settings of the endpoint',
    countAttempt: false,
    alert: true,
  });
  expect(receiver.connections()).toBe(0);
});

test('a rate is kept over all replicas', async () => {
  const receiver = await receive((response) => response.end('ok'));
  const id = await addEndpoint(database.pool, { url: receiver.url }, { format: 'slack' });
  const [one, two] = [await replica(), await replica()];
  const waiting = await addMessages(database.pool, id, 5);
  expect(await admitted(one, waiting)).toBe(1);
  expect(await admitted(two, waiting)).toBe(0);
  await database.pool.query(`UPDATE herald.rate_bucket SET updated_at = updated_at - interval '1 second'`);
  expect(await admitted(two, waiting)).toBe(1);
});

test('a message that has to wait says until when and why', async () => {
  const id = await addEndpoint(database.pool, { url: 'https://hooks.example.com/', secret });
  const waiting = await addMessages(database.pool, id, 5);
  const later = (await (await replica()).admit?.(waiting)) ?? new Map<string, Deferral>();
  expect(later.size).toBe(3);
  for (const deferral of later.values())
    expect(deferral).toEqual({ at: expect.any(Date), detail: 'waits for capacity of its endpoint' });
});
