/** Every shipped template, signed, through a sink, and judged by a verifier that shares no code with the signer. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { syncTemplates } from '../../src/templates/catalog.ts';
import { readTemplates, shippedTemplatesFolder } from '../../src/templates/files.ts';
import { startAiosmtpd } from '../support/aiosmtpd.ts';
import { needing, pythonMissing } from '../support/daemons.ts';
import { until } from '../support/wait.ts';
import { openScene } from './scene.ts';

const scene = openScene();
const needs = needing(pythonMissing('dkim', 'python3-dkim'), pythonMissing('aiosmtpd', 'python3-aiosmtpd'));
const { sources } = await readTemplates(shippedTemplatesFolder);

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'der' },
});
const folder = mkdtempSync(join(tmpdir(), 'herald-dkim-'));
const keyFile = join(folder, 'key.pem');
writeFileSync(keyFile, privateKey);
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => syncTemplates(scene.database().pool, sources));

const program = [
  'import dkim, sys',
  'key = lambda name, **_: sys.argv[1].encode()',
  'print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=key))',
].join('\n');
const verify = (mail: string) =>
  execFileSync('/usr/bin/python3', ['-c', program, `v=DKIM1; k=rsa; p=${publicKey.toString('base64')}`], {
    input: Buffer.from(mail, 'latin1'),
    encoding: 'utf8',
  }).trim();

test.skipIf(needs.skip)(
  needs.name(
    'the signature of every shipped template is good, covers what receivers ask for, and the email is below 100 kB',
  ),
  async () => {
    const relay = scene.use(await startAiosmtpd());
    for (const { name, example } of sources)
      await scene.database().pool.query('SELECT herald.enqueue($1::text::jsonb)', [
        JSON.stringify({
          template: name,
          allowPlainSecrets: true,
          to: { id: 'ada', email: 'ada@example.com', name: 'Käthe “K” Öl 🦊' },
          labels: example?.labels ?? {},
          data: example?.data ?? null,
          methods: ['smtp'],
          unsubscribeUrl: 'https://acme.example/u/opaque-token',
        }),
      ]);
    await scene.start({ port: relay.port, dkim: { domain: 'acme.example', selector: 'h1', keyFile } });
    await until(() => relay.mails().length === sources.length, { timeoutMs: 40_000 });
    for (const { raw } of relay.mails()) {
      expect(verify(raw)).toBe('True');
      expect(raw.length).toBeLessThan(100_000);
      const signature = (/^DKIM-Signature:[^]*?\r\n(?![ \t])/m.exec(raw)?.[0] ?? '')
        .replaceAll(/\s+/g, '')
        .toLowerCase();
      for (const field of [
        'from',
        'to',
        'subject',
        'date',
        'message-id',
        'list-unsubscribe',
        'list-unsubscribe-post',
        'feedback-id',
      ])
        expect(signature).toMatch(new RegExp(`[=:]${field}[:;]`));
    }
    const [mail = { raw: '' }] = relay.mails();
    expect(verify(mail.raw.replace(/^Subject: /m, 'Subject: not '))).toBe('False');
  },
);
