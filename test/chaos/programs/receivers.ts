/**
 * The SMTP sink and the webhook receiver, in a process of their own. What they accept goes into an append-only file before it
 * is answered. `POST /mood {"mood": "slow"}` on the control port changes how they behave.
 */
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { startHttpServer } from '../../support/http-server.ts';
import { listenLocally } from '../../support/recorder.ts';
import { startSmtpServer } from '../../support/smtp-server.ts';
import { append } from '../journal.ts';

/**
 * `well`: answers within 60 ms, refuses two in a hundred for the moment. `busy`: within 200 ms. `slow`: half a second later. `late`: accepts, and takes
 * half a second to say so, the time in which a cut connection makes a delivery doubtful. `hanging`: half of all never get an answer.
 */
export type Mood = 'well' | 'busy' | 'slow' | 'late' | 'hanging';

const [file = ''] = process.argv.slice(2);
let mood: Mood = 'well';
let accepted = 0;

/** Returns whether the message is accepted. */
async function receive(id: string): Promise<boolean> {
  if (mood === 'hanging' && Math.random() < 0.5) await pause(60_000);
  await pause(mood === 'slow' ? 500 : Math.random() * (mood === 'busy' ? 200 : 60));
  if (Math.random() < 0.02) return false;
  append(file, { id, at: Date.now() });
  accepted += 1;
  if (mood === 'late') await pause(500);
  return true;
}

const mail = await startSmtpServer({
  keep: 10,
  onMessage: async (received) => {
    const id =
      /^Message-ID: <([0-9a-f-]{36})@/im.exec(received.raw.toString('latin1'))?.[1] ?? 'an email without an id';
    return (await receive(id)) ? undefined : { code: 451, text: '4.3.0 try again' };
  },
});
const hook = await startHttpServer({
  keep: 10,
  answer: async (request) => ({ status: (await receive(String(request.headers['webhook-id']))) ? 204 : 503 }),
});
const control = createServer((request, response) => {
  void (async () => {
    if (request.method === 'POST') ({ mood } = (await json(request)) as { mood: Mood });
    response.end(JSON.stringify({ accepted }));
  })();
});
const listener = await listenLocally(control);
process.stdout.write(`ready ${JSON.stringify({ smtp: mail.port, webhook: hook.port, control: listener.port })}\n`);
