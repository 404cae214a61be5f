/** `npm start` as a newcomer meets it. */
import { Client } from 'pg';
import { afterAll, describe, expect, test } from 'vitest';
import { programs } from '../support/processes.ts';
import { until } from '../support/wait.ts';

const start = programs(afterAll);
const demo = new URL('../../examples/demo.ts', import.meta.url);
const env = { DATABASE_URL: undefined, NO_COLOR: '1' };

const page = async (url: string) => (await fetch(url)).text();

describe('the demo', { timeout: 120_000 }, () => {
  test('shows everything in its console, and counts all of it at Ctrl-C', async () => {
    const program = start(demo, { env, typed: true });
    await program.line(/Press Enter to delete another workspace/, { timeoutMs: 60_000 });

    // The URL of the console comes first, and no other program is needed.
    const [, url = ''] = /^\s*Console: (http:\/\/127\.0\.0\.1:\d+\/)\n/.exec(program.stdout()) ?? [];
    expect(program.stdout()).not.toMatch(/psql|postgres:\/\/|DATABASE_URL/);
    // Until the console has counted, it says so.
    await until(async () => (await page(url)).includes('Messages are being sent. 1 worker connected.'));
    const messages = await page(`${url}messages`);
    expect(messages).toContain('13 messages');
    expect(messages).toContain('Workspace &quot;compiler&quot; was deleted');
    expect((await page(`${url}captured`)).match(/href="\/messages\/[0-9a-f-]+"/g)).toHaveLength(6);

    // Who has not read it in the inbox gets an email, who has does not.
    expect(program.stdout()).toContain('Ada read it in her inbox: 1 email is not needed any more');
    expect(program.stdout()).toMatch(/smtp +accepted .*edsger@example\.com/);
    expect(program.stdout()).not.toMatch(/smtp +accepted .*ada@example\.com .*review/);

    expect(await page(`${url}endpoints`)).toMatch(/Acme hooks[\s\S]*healthy/);

    // The application has a page of its own, with the bell.
    const [application = ''] = /http:\S+(?= is the application's page)/.exec(program.stdout()) ?? [];
    expect(await page(application)).toContain('<herald-inbox>');
    expect(await page(`${application}inbox/element.js`)).toContain('herald-inbox');
    expect(JSON.parse(await page(`${application}inbox/count`))).toMatchObject({ unread: 2, unseen: 2 });

    // Other users of the machine cannot connect to its database.
    const port = Number(/database on port (\d+)/.exec(program.stdout())?.[1]);
    const stranger = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', password: 'guess' });
    await expect(stranger.connect()).rejects.toThrow('password authentication failed');

    program.type('\n');
    await until(async () => (await page(`${url}messages?status=sent`)).includes('14 messages'));
    // Its messages are still waiting when the signal comes.
    program.type('\n');
    await program.line(/deleted scratch-2 and enqueued/);
    expect(await program.kill('SIGINT')).toEqual({ code: 0, signal: null });
    expect(program.stderr()).toBe('');
    const end = program.stdout().split('The end, after')[1];
    expect(end).toContain('5 workspaces were deleted');
    expect(end).toContain('1 deletion was rolled back: its 3 messages never existed.');
    expect(end).toContain('19 messages were committed: 17 sent, 1 failed, 1 not needed.');
    expect(end).toContain('None was lost, and none was sent twice.');
    expect(end).not.toContain('{');
    await expect(fetch(url)).rejects.toThrow();
  });

  test('with --once ends when everything is settled, and its last line is JSON', async () => {
    const program = start(demo, { args: ['--once'], env });
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(JSON.parse(program.stdout().trim().split('\n').at(-1) ?? '')).toEqual({
      ...{ committed: 13, rolledBack: 3, sent: 11, failed: 1, pending: 0, needless: 1, other: 0 },
      ...{ duplicates: 0, lost: 0 },
      ms: expect.any(Number),
    });
  });
});
