/** Runs the receivers of docs/webhooks.md against real webhook calls. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { webhook } from '../../src/dispatch/webhook/webhook.ts';
import { context, delivery, secret } from '../dispatch/support.ts';
import { startHttpServer } from '../support/http-server.ts';
import { useDatabase } from '../support/use-database.ts';
import { blocksOf } from './support/blocks.ts';

const page = readFileSync(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');
const snippet = (language: string) => new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? '';
const here = fileURLToPath(new URL('.', import.meta.url));
let folder: string;
beforeAll(() => {
  // Beneath the project, so that the packages are found.
  folder = mkdtempSync(join(here, 'snippet-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const programs = (name: string) => {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`]);
    return true;
  } catch {
    return false;
  }
};

async function send(url: string, key = secret) {
  const dispatcher = webhook({ endpoint: { url, secret: key }, egress: { allowCidrs: ['127.0.0.1'] } });
  const result = await dispatcher.dispatch(delivery({ labels: { hostile: '"\u2028</script>Zoë 🎈' } }), context());
  await dispatcher.close?.();
  return result;
}

describe('endpoints from code', () => {
  const database = useDatabase();

  test('are added, listed and enabled by their tenant alone', async () => {
    const block = blocksOf(page).find(({ text }) =>
      text.includes("import { createSecretBox, endpoints } from 'pg-herald'"),
    );
    const index = pathToFileURL(join(here, '../../src/index.ts')).href;
    const file = join(folder, 'endpoints.mjs');
    writeFileSync(
      file,
      `${block?.text.replace("'pg-herald'", `'${index}'`)}\nexport const close = () => pool.end();\n`,
    );
    process.env['DATABASE_URL'] = database.url;
    process.env['HERALD_SECRET_KEY'] = Buffer.alloc(32, 3).toString('base64');
    const app = (await import(pathToFileURL(file).href)) as {
      readonly webhooksOf: (tenant: string) => Promise<readonly { readonly id: string }[]>;
      readonly addWebhook: (tenant: string, url: string, contact: string) => Promise<{ readonly id: string }>;
      readonly enableWebhook: (tenant: string, id: string) => Promise<number>;
      readonly close: () => Promise<void>;
    };
    const { id } = await app.addWebhook('acme', 'https://hooks.example.com/in', 'ops@acme.example');
    expect(await app.webhooksOf('acme')).toMatchObject([{ id, state: 'healthy' }]);
    expect(await app.webhooksOf('other')).toEqual([]);
    expect(await app.enableWebhook('acme', id)).toBe(0);
    await expect(app.enableWebhook('other', id)).rejects.toThrow('no such webhook');
    await app.close();
  });
});

describe('the receiver', () => {
  test('in TypeScript accepts ours and refuses what another key signed', async () => {
    writeFileSync(join(folder, 'receiver.ts'), snippet('ts'));
    process.env['WEBHOOK_SECRET'] = secret;
    const { server } = (await import(pathToFileURL(join(folder, 'receiver.ts')).href)) as { server: Server };
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      expect(await send(url)).toMatchObject({ outcome: 'sent', reply: { code: '204' } });
      const other = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
      expect(await send(url, other)).toMatchObject({ outcome: 'retry', reply: { code: '401' } });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  test.skipIf(!programs('python3'))('in Python accepts ours and refuses a changed body', async () => {
    const receiver = await startHttpServer();
    await send(receiver.url);
    const [request] = receiver.received();
    await receiver.close();
    const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;
    const headers = Object.fromEntries(names.map((name) => [name, request?.headers[name]]));
    const run = (body: Buffer) =>
      execFileSync(
        'python3',
        [
          '-c',
          `${snippet('python')}\nimport sys, json\nverify(sys.argv[1], json.loads(sys.argv[2]), sys.stdin.buffer.read())`,
          secret,
          JSON.stringify(headers),
        ],
        { input: body, stdio: ['pipe', 'pipe', 'pipe'] },
      );
    const body = request?.body ?? Buffer.alloc(0);
    expect(() => run(body)).not.toThrow();
    expect(() => run(Buffer.concat([body, Buffer.from(' ')]))).toThrow(/signature/);
  });

  test.skipIf(!programs('gofmt'))('in Go is well formed', () => {
    expect(execFileSync('gofmt', ['-l'], { input: snippet('go') }).toString()).toBe('');
  });
});
