/** What happens to a connection between two emails. */
import { describe, expect, test } from 'vitest';
import { until } from '../support/wait.ts';
import { conversation, type ScriptedSmtpServer, type Step, startSmtpScript } from '../support/smtp-script.ts';
import { openScene } from './scene.ts';

const scene = openScene();
const anotherMail = conversation().slice(2);

/** The first connection takes one email and then does `next`; all others are ordinary. */
async function relayWith(next: readonly Step[]): Promise<ScriptedSmtpServer> {
  return scene.use(
    await startSmtpScript((connection) =>
      connection === 1 ? [...conversation(), ...next] : [...conversation(), ...anotherMail, ...anotherMail],
    ),
  );
}

const sent = (story: { status: string }) => story.status === 'sent';

describe('a kept connection', () => {
  test('that the server closed between two emails is replaced, and nothing is counted', async () => {
    const relay = await relayWith([{ delayMs: 50, then: 'end' }]);
    await scene.start({ port: relay.port, maxConnections: 1 });
    await scene.enqueue();
    await until(async () => (await scene.stories()).every(sent));
    await until(() => relay.connections().open === 0);
    await scene.enqueue();
    await until(async () => (await scene.stories()).length === 2 && (await scene.stories()).every(sent));
    expect((await scene.stories()).map((story) => story.attempts)).toEqual([['sent'], ['sent']]);
    expect([relay.messages().length, relay.connections().total]).toEqual([2, 2]);
  });

  test('that the server drops at MAIL is replaced within the same attempt', async () => {
    const relay = await relayWith([{ expect: /^MAIL FROM:/i, then: 'destroy' }]);
    await scene.start({ port: relay.port, maxConnections: 1 });
    await scene.enqueue(2);
    await until(async () => (await scene.stories()).every(sent));
    expect((await scene.stories()).map((story) => story.attempts)).toEqual([['sent'], ['sent']]);
    expect([relay.messages().length, relay.connections().total]).toEqual([2, 2]);
  });
});
