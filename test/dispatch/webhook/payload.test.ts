import { Ajv2020 } from 'ajv/dist/2020.js';
import { toJsonSchema } from '@valibot/to-json-schema';
import { expect, test } from 'vitest';
import { payloadBytes, payloadOf, payloadSchema } from '../../../src/dispatch/webhook/payload.ts';
import { delivery } from '../support.ts';

/** `vitest run -u` writes it anew. */
const schemaFile = '../../../schemas/payload.v1.schema.json';

function jsonSchema(): object {
  const generated = toJsonSchema(payloadSchema, { target: 'draft-2020-12' });
  return { title: 'pg-herald webhook payload, version 1', ...generated };
}

test('the committed JSON Schema is the one that the code generates', async () => {
  await expect(`${JSON.stringify(jsonSchema(), null, 2)}\n`).toMatchFileSnapshot(schemaFile);
});

test('payloads pass the JSON Schema, and a payload with a wrong type does not', () => {
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(jsonSchema());
  const full = delivery({ tenant: 't', groupKey: 'g', expiresAt: new Date(0), data: [{ a: [true, null, 1.5] }] });
  for (const message of [delivery(), full]) {
    expect(validate(JSON.parse(payloadBytes(message).toString())), JSON.stringify(validate.errors)).toBe(true);
  }
  expect(validate({ ...payloadOf(delivery()), type: 'workspace-deleted' })).toBe(false);
  expect(validate({ ...payloadOf(delivery()), data: {} })).toBe(false);
});

test('the bytes do not depend on the attempt, nor on the order in which labels were put together', () => {
  const first = payloadBytes(delivery({ labels: { a: '1', b: '2' } }));
  expect(payloadBytes(delivery({ labels: { b: '2', a: '1' }, attempt: 9 })).equals(first)).toBe(true);
});

test('the type holds no character that Standard Webhooks forbids', () => {
  const message = delivery({ template: { name: '2-factor-code', version: 1, group: 'g' } });
  expect(payloadOf(message).type).toBe('notification.2_factor_code');
});
