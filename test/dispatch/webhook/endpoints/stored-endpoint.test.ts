import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { healthyCircuit } from '../../../../src/dispatch/webhook/endpoints/circuit.ts';
import {
  toEndpoint,
  openSettings,
  rotateSecret,
  sealSettings,
  type StoredEndpoint,
} from '../../../../src/dispatch/webhook/endpoints/stored-endpoint.ts';
import { createSecretBox } from '../../../../src/secrets.ts';
import { secret } from '../../support.ts';
import { box } from './table.ts';

const now = new Date('2026-11-24T08:00:00Z');
const later = (seconds: number) => new Date(now.getTime() + seconds * 1_000);
const next = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
const settings = { url: 'https://hooks.example.com/T0PSECRET', secret, headers: { authorization: 'Bearer T0PSECRET' } };

function row(id: string, sealed: string): StoredEndpoint {
  const rest = {
    name: 'x',
    tenant: null,
    recipientId: null,
    format: 'standard',
    httpMethod: 'POST',
    timeoutSeconds: 20,
    retry: 'all',
  } as const;
  return {
    ...healthyCircuit,
    ...rest,
    id,
    sealed,
    maxConcurrency: 10,
    requestsPerSecond: null,
    disabledAt: null,
    disabledReason: null,
    updatedAt: now,
  };
}

test('what is sealed cannot be read, changed or moved to another endpoint', () => {
  const [id, other] = [randomUUID(), randomUUID()];
  const sealed = sealSettings(box, id, settings);
  expect(sealed).not.toContain('T0PSECRET');
  expect(Buffer.from(sealed.split('.').at(-1) ?? '', 'base64url').toString('latin1')).not.toContain('T0PSECRET');
  expect(openSettings(box, id, sealed)).toEqual(settings);
  expect(() => openSettings(box, other, sealed)).toThrow(/cannot be decrypted/);
  expect(() => openSettings(box, id, `${sealed.slice(0, -4)}AAAA`)).toThrow(/cannot be decrypted/);
  expect(() => openSettings(createSecretBox([Buffer.alloc(32, 4).toString('base64')]), id, sealed)).toThrow(
    /is not configured/,
  );
});

test('a rotated secret signs first, the one before until its overlap is over', () => {
  const id = randomUUID();
  const sealed = sealSettings(box, id, rotateSecret(settings, next, { now }));
  expect(toEndpoint(row(id, sealed), box, later(86_399)).secrets).toEqual([next, secret]);
  expect(toEndpoint(row(id, sealed), box, later(86_401)).secrets).toEqual([next]);
});

test('a leaked secret is dropped at once, with all before it', () => {
  const rotated = rotateSecret(settings, next, { now });
  const third = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
  expect(rotateSecret(rotated, third, { now: later(60) }).previousSecrets?.map((each) => each.secret)).toEqual([
    next,
    secret,
  ]);
  expect(rotateSecret(rotated, third, { now: later(60), overlapSeconds: 0 }).previousSecrets).toEqual([]);
});
