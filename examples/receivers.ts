/** Where the example's notifications arrive: an SMTP server and a webhook receiver on free ports of this machine. */
import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { NewCapture } from '../src/development/capture-store.ts';
import { type ReceivedRequest, startHttpServer } from '../test/support/http-server.ts';
import { type ReceivedMail, startSmtpServer } from '../test/support/smtp-server.ts';

export interface Arrival {
  readonly messageId: string;
  readonly method: 'smtp' | 'webhook';
  readonly title: string;
  readonly to: string;
}

export interface Receivers {
  readonly smtpPort: number;
  readonly webhookUrl: string;
  readonly webhookSecret: string;
  /** What was accepted so far. */
  readonly arrivals: readonly Arrival[];
  close(): Promise<void>;
}

export interface ReceiversOptions {
  /** An address whose mailbox does not exist. */
  readonly bouncing: string;
  /** Webhooks whose body holds this text are refused twice before they are accepted. */
  readonly refusedTwice: string;
  /** Takes what was accepted, for the console. */
  readonly capture: (captured: NewCapture) => Promise<void>;
  /** Called for everything that arrives at the receivers, for the screen. */
  readonly onEvent: (event: { method: 'smtp' | 'webhook'; what: string; text: string }) => void;
}

export async function startReceivers(options: ReceiversOptions): Promise<Receivers> {
  const arrivals: Arrival[] = [];
  const webhookSecret = `whsec_${randomBytes(32).toString('base64')}`;
  const mail = await startMailServer(options, arrivals);
  const hook = await startWebhookReceiver(options, arrivals, webhookSecret);
  return {
    smtpPort: mail.port,
    webhookUrl: `${hook.url}/hooks/acme`,
    webhookSecret,
    arrivals,
    close: async () => void (await Promise.all([mail.close(), hook.close()])),
  };
}

function startMailServer({ bouncing, capture, onEvent }: ReceiversOptions, arrivals: Arrival[]) {
  async function accept({ to: [to = ''], raw, parsed }: ReceivedMail): Promise<void> {
    const { messageId, subject = '' } = await parsed();
    const arrival = { messageId: messageId?.slice(1, 37) ?? '', title: subject, to };
    arrivals.push({ method: 'smtp', ...arrival });
    onEvent({ method: 'smtp', what: 'accepted 250', text: `${subject} -> ${to}` });
    await capture({ kind: 'mail', raw, ...arrival });
  }
  return startSmtpServer({
    onRecipient: (address) => {
      if (address !== bouncing) return undefined;
      onEvent({ method: 'smtp', what: 'refused 550', text: `RCPT TO ${address}` });
      return { code: 550, text: '5.1.1 no such mailbox' };
    },
    onAccepted: (received) => void accept(received),
  });
}

function startWebhookReceiver(
  { refusedTwice, capture, onEvent }: ReceiversOptions,
  arrivals: Arrival[],
  webhookSecret: string,
) {
  const verifier = new Webhook(webhookSecret);
  let refusals = 0;
  return startHttpServer({
    answer: async (request) => {
      if (request.body.includes(refusedTwice) && refusals < 2) {
        refusals += 1;
        onEvent({ method: 'webhook', what: 'refused 503', text: `POST ${request.path} (${refusals} of 2)` });
        return { status: 503 };
      }
      verifier.verify(request.body, request.headers as Record<string, string>);
      const { data } = request.json() as { data: { title: string; recipient: { id: string } } };
      const messageId = String(request.headers['webhook-id']);
      arrivals.push({ messageId, method: 'webhook', title: data.title, to: data.recipient.id });
      onEvent({ method: 'webhook', what: 'accepted 204', text: `${data.title} (signature verified)` });
      const to = `http://${request.headers.host}${request.path}`;
      await capture({ kind: 'webhook', messageId, title: data.title, to, raw: rawRequest(request) });
      return { status: 204 };
    },
  });
}

/** The request as it came: the first line, the headers and the body. */
function rawRequest({ method, path, rawHeaders, body }: ReceivedRequest): Buffer {
  const headers = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1]}`] : []));
  return Buffer.concat([Buffer.from([`${method} ${path} HTTP/1.1`, ...headers, '', ''].join('\n')), body]);
}
