/** Certificates: real sockets, real TLS. */
import { afterEach, describe, expect, test } from 'vitest';
import type { DispatchResult } from '../../src/dispatch/dispatcher.ts';
import type { EgressOptions } from '../../src/dispatch/egress/egress-options.ts';
import type { EndpointSettings } from '../../src/dispatch/webhook/endpoint.ts';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { context, delivery, pem, secret, startReceiver, type Answer } from '../dispatch/support.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

function keep<T extends { close(): unknown }>(thing: T): T {
  open.push(() => thing.close());
  return thing;
}

/** Delivers one message and checks what holds for every fault: it is bounded, and nothing secret is in the result. */
async function deliver(
  settings: Partial<EndpointSettings> & { url: string },
  egress: EgressOptions = {},
): Promise<DispatchResult> {
  const dispatcher = webhook({
    endpoint: { secret, timeoutSeconds: 3, ...settings },
    egress: { allowCidrs: ['127.0.0.1'], ...egress },
  });
  open.push(() => dispatcher.close?.());
  const result = await dispatcher.dispatch(delivery(), context());
  const text = JSON.stringify(result);
  for (const leak of [secret, secret.slice(6), '/hook', 'dev-box', 'ada@example.com', '127.0.0.1'])
    expect(text).not.toContain(leak);
  if ('detail' in result) expect(result.detail?.length).toBeLessThanOrEqual(500);
  return result;
}

const tlsOf = (name: string) => ({ key: pem(`${name}.key`), cert: pem(`${name}.crt`) });
const receive = async (answer?: Answer) => keep(await startReceiver(answer));
const retried = (reason: string, detail: RegExp) => ({
  outcome: 'retry',
  reason,
  detail: expect.stringMatching(detail),
});

describe('TLS', () => {
  test.each([
    ['self-signed', 'self-signed', /^TLS: DEPTH_ZERO_SELF_SIGNED_CERT$/],
    ['expired', 'expired', /^TLS: CERT_HAS_EXPIRED$/],
    ['for another name', 'wrong-name', /^TLS: ERR_TLS_CERT_ALTNAME_INVALID$/],
  ])('a certificate that is %s: not one byte of the request leaves', async (_, certificate, detail) => {
    const receiver = keep(await startReceiver(undefined, tlsOf(certificate)));
    const trust = certificate === 'self-signed' ? {} : { tls: { ca: pem('ca.crt') } };
    expect(await deliver({ url: receiver.url, ...trust })).toEqual(retried('tls', detail));
    expect(receiver.received).toHaveLength(0);
  });

  test('a certificate of an unknown CA', async () => {
    const receiver = keep(await startReceiver(undefined, tlsOf('server')));
    expect(await deliver({ url: receiver.url })).toEqual(
      retried('tls', /^TLS: UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER)/),
    );
    expect(await deliver({ url: receiver.url, tls: { ca: pem('ca.crt') } })).toMatchObject({ outcome: 'sent' });
  });

  test('a plain port', async () => {
    const receiver = await receive();
    expect(await deliver({ url: receiver.url.replace('http:', 'https:') })).toEqual(
      retried('tls', /^TLS: (ERR_SSL_|EPROTO)/),
    );
  });

  test('a server that knows nothing newer than TLS 1.1', async () => {
    const old = {
      ...tlsOf('server'),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const;
    const receiver = keep(await startReceiver(undefined, old));
    expect(await deliver({ url: receiver.url, tls: { ca: pem('ca.crt') } })).toEqual(retried('tls', /^TLS: /));
    expect(receiver.received).toHaveLength(0);
  });
});

describe('a client certificate', () => {
  const mutual = () =>
    startReceiver(undefined, { ...tlsOf('server'), ca: pem('ca.crt'), requestCert: true, rejectUnauthorized: true });

  test('that is required and missing', async () => {
    const receiver = keep(await mutual());
    const result = await deliver({ url: receiver.url, tls: { ca: pem('ca.crt') } });
    expect(result).toMatchObject({ outcome: 'retry', reason: expect.stringMatching(/^(tls|connection_lost)$/) });
    expect(receiver.received).toHaveLength(0);
  });

  test('that is configured', async () => {
    const receiver = keep(await mutual());
    const tls = { ca: pem('ca.crt'), cert: pem('client.crt'), key: pem('client.key') };
    expect(await deliver({ url: receiver.url, tls })).toMatchObject({ outcome: 'sent' });
  });

  test('that does not belong to its key is refused at the start', async () => {
    const tls = { cert: pem('client.crt'), key: pem('server.key') };
    await expect(deliver({ url: 'https://127.0.0.1/hook', tls })).rejects.toThrow(
      /webhook\.endpoint\.tls: .* belongs to the certificate/,
    );
  });

  test('that expired is refused at the start', async () => {
    await expect(deliver({ url: 'https://127.0.0.1/hook', tls: tlsOf('expired') })).rejects.toThrow(
      /tls\.cert: expired on 2020-01-02/,
    );
  });
});
