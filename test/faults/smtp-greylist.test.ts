/** Real greylisting: Postfix asks postgrey, and an email arrives on its retry without help. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missing, needing } from '../support/daemons.ts';
import { type Postfix, postfixMissing, startPostfix } from '../support/postfix.ts';
import { type Postgrey, startPostgrey } from '../support/postgrey.ts';
import { until } from '../support/wait.ts';
import { openScene } from './scene.ts';

const scene = openScene();
const needs = needing(postfixMissing(), missing('postgrey', 'postgrey'));

describe.skipIf(needs.skip)(needs.name('Postfix with postgrey'), () => {
  let postfix: Postfix;
  let postgrey: Postgrey;
  beforeAll(async () => {
    postgrey = await startPostgrey(2);
    postfix = await startPostfix({
      settings: {
        smtpd_recipient_restrictions: `check_policy_service inet:127.0.0.1:${postgrey.port}, permit_mynetworks, reject`,
      },
    });
  });
  afterAll(async () => {
    postfix.stop();
    await postgrey.close();
  });

  // Scaled: 2 s instead of 5 minutes, and waits of 1 s and 3 s instead of 30 s, 2 min and 6 min.
  test('defers three emails and accepts each on a retry, once', async () => {
    await scene.enqueue(3);
    await scene.start({ port: postfix.port }, { dispatcher: { retryDelaysSeconds: [1, 3, 3, 3] } });
    await until(async () => (await scene.stories()).every((story) => story.status === 'sent'), { timeoutMs: 40_000 });
    for (const { attempts, counted, paused } of await scene.stories()) {
      expect(attempts[0]).toMatch(
        /^retry: deferred: RCPT TO: 450 4\.2\.0 <address>: Recipient address rejected: Greylisted/,
      );
      expect(attempts.at(-1)).toBe('sent');
      expect(counted).toBe(attempts.length);
      expect(paused).toBeNull();
    }
    await until(() => postfix.mails().length === 3);
    for (const mail of postfix.mails()) expect(mail).toMatch(/^X-Greylist: delayed \d+ seconds by postgrey/m);
  });
});
