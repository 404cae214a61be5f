/** A receiver that repeats what it was sent gets none of it stored, in whatever way it repeats it. */
import { afterEach, expect, test } from 'vitest';
import type { Delivery } from '../../../src/dispatch/dispatcher.ts';
import type { EndpointSettings } from '../../../src/dispatch/webhook/endpoint.ts';
import { webhook } from '../../../src/dispatch/webhook/webhook.ts';
import { context, delivery, secret, startReceiver } from '../support.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function storedReply(
  say: string | Buffer,
  {
    path = '',
    settings = {},
    message = {},
  }: { path?: string; settings?: EndpointSettings; message?: Partial<Delivery> },
): Promise<string> {
  const receiver = await startReceiver((response) => response.writeHead(400).end(say));
  open.push(() => receiver.close());
  const dispatcher = webhook({
    endpoint: { url: `${receiver.url}${path}`, secret, ...settings },
    egress: { allowCidrs: ['127.0.0.1'] },
    includeSecrets: true,
  });
  open.push(() => dispatcher.close?.());
  const result = await dispatcher.dispatch(delivery(message), context());
  expect(result.outcome).toBe('retry');
  return JSON.stringify(result);
}

const basic = `Basic ${Buffer.from('robot:s3cr3t-pass').toString('base64')}`;

test.each([
  [
    'a bearer token without its scheme',
    'tok-4f9a2b77',
    { settings: { headers: { authorization: 'Bearer tok-4f9a2b77' } } },
  ],
  ['a password decoded from Basic', 's3cr3t-pass', { settings: { headers: { authorization: basic } } }],
  ['a user name decoded from Basic', 'robot', { settings: { headers: { authorization: basic } } }],
  ['one parameter of a header', 'k-889977', { settings: { headers: { 'x-auth': 'id="me", key="k-889977"' } } }],
  ['a path segment, decoded', 'top secret/π', { path: `/hooks/${encodeURIComponent('top secret/π')}` }],
  [
    'a path segment as it was sent',
    encodeURIComponent('top secret/π'),
    { path: `/hooks/${encodeURIComponent('top secret/π')}` },
  ],
  ['a value of the query', 'q-token-1', { path: '/in?token=q-token-1' }],
  ['the signing secret', secret, {}],
  ['the signing secret without its prefix', secret.slice(6), {}],
  ['a secret label', 'reset-ME-now', { message: { secrets: ['reset-ME-now'] } }],
  ['a secret label, Markdown-escaped', 'reset\\-ME\\-now', { message: { secrets: ['reset-ME-now'] } }],
  ['a secret label, JSON-escaped', '\\u0072eset-ME-now', { message: { secrets: ['reset-ME-now'] } }],
  ['a short code', '4829', { message: { secrets: ['4829'] } }],
  ['a text deep in data', 'IBAN-AT-0815', { message: { data: { a: [{ b: 'IBAN-AT-0815' }] } } }],
  ['a number in data', '408152342', { message: { data: [408_152_342] } }],
  ['a label', 'dev-box', {}],
  ['a part of the body', 'workspace dev-box was dele', {}],
  ['the id of the recipient', 'customer-9981', { message: { recipient: { id: 'customer-9981' } } }],
])('%s', async (_, said, options) => {
  const result = await storedReply(`cannot use ${said} here`, options);
  expect(result).toContain('cannot use');
  expect(result).toContain('ere');
  expect(result).not.toContain(JSON.stringify(said).slice(1, -1));
});

test('the start of a secret at the end of what is read', async () => {
  const say = `${'no '.repeat(681)}12 4829 and much more`;
  expect(await storedReply(say, { message: { secrets: ['48291'] } })).not.toContain('48');
});

test('a secret as the id that an accepting service gives', async () => {
  const receiver = await startReceiver((response) => response.end('{"id":"reset-ME-now"}'));
  open.push(() => receiver.close());
  const dispatcher = webhook({
    endpoint: { url: receiver.url, format: 'ntfy' },
    egress: { allowCidrs: ['127.0.0.1'] },
  });
  open.push(() => dispatcher.close?.());
  const result = await dispatcher.dispatch(delivery({ secrets: ['reset-ME-now'] }), context());
  expect(result).toEqual({ outcome: 'sent', reply: { code: '200' } });
});

test('the one word of a Slack error is one of its own words', async () => {
  const receiver = await startReceiver((response) => response.writeHead(403).end('reset_me_now'));
  open.push(() => receiver.close());
  const dispatcher = webhook({
    endpoint: { url: receiver.url, format: 'slack' },
    egress: { allowCidrs: ['127.0.0.1'] },
  });
  open.push(() => dispatcher.close?.());
  const result = await dispatcher.dispatch(delivery({ secrets: ['reset_me_now'] }), context());
  expect(JSON.stringify(result)).not.toContain('reset');
});
