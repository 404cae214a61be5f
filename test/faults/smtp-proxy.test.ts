/** The proxy between us and the relay. (microsocks and its logins: test/dispatch/smtp/transport.test.ts) */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { freePort, missing, needing, startDaemon } from '../support/daemons.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { until } from '../support/wait.ts';
import { openScene, password } from './scene.ts';

const scene = openScene();
const tinyproxy = needing(missing('tinyproxy', 'tinyproxy'), missing('smtp-sink', 'postfix'));
const folder = mkdtempSync(join(tmpdir(), 'herald-proxy-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the proxy', () => {
  async function startTinyproxy(login: string) {
    const port = await freePort();
    const settings = [
      `Port ${port}`,
      'Listen 127.0.0.1',
      'Timeout 60',
      'Allow 127.0.0.1',
      'MaxClients 20',
      `BasicAuth herald ${login}`,
    ];
    const config = join(folder, 'tinyproxy.conf');
    writeFileSync(config, `${settings.join('\n')}\n`);
    return scene.use(await startDaemon('tinyproxy', () => ['-d', '-c', config], { port }));
  }

  test.skipIf(tinyproxy.skip).each([
    ['knows our login: the email passes', password, { status: 'sent', attempts: ['sent'] }, 1],
    [
      'answers 407: the method pauses',
      'another',
      {
        status: 'pending',
        counted: 0,
        attempts: ['retry, free: proxy: the proxy refused the connection or could not be reached'],
        paused: 'proxy',
      },
      0,
    ],
  ])(tinyproxy.name('%s'), async (_, login, expected, copies) => {
    const proxy = await startTinyproxy(login);
    const relay = scene.use(await startSmtpSink([]));
    const story = await scene.deliver({
      port: relay.port,
      proxy: `http://herald:${password}@127.0.0.1:${proxy.port}`,
    });
    expect(story).toMatchObject(expected);
    await until(() => relay.mails().length === copies);
  });

  test.each([
    ['http', 'the proxy could not be reached: ECONNREFUSED'],
    ['socks5', 'the proxy refused the connection or could not be reached'],
  ])('of %s is down', async (scheme, detail) => {
    expect(
      await scene.deliver({ port: 25, proxy: `${scheme}://herald:${password}@127.0.0.1:${await freePort()}` }),
    ).toMatchObject({
      status: 'pending',
      counted: 0,
      attempts: [`retry, free: proxy: ${detail}`],
      paused: 'proxy',
    });
  });
});
