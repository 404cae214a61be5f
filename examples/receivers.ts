/** Where the example's notifications arrive: a mail server and a webhook receiver on free ports of this machine. */
import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { startHttpServer } from '../test/support/http-server.ts';
import { startSmtpServer } from '../test/support/smtp-server.ts';

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
  /** Called for everything that happens at the receivers, for the screen. */
  readonly onEvent: (event: { method: 'smtp' | 'webhook'; what: string; text: string }) => void;
}

export async function startReceivers({ bouncing, refusedTwice, onEvent }: ReceiversOptions): Promise<Receivers> {
  const arrivals: Arrival[] = [];
  const webhookSecret = `whsec_${randomBytes(32).toString('base64')}`;
  const verifier = new Webhook(webhookSecret);
  let refusals = 0;

  const mail = await startSmtpServer({
    onRecipient: (address) => {
      if (address !== bouncing) return undefined;
      onEvent({ method: 'smtp', what: 'refused 550', text: `RCPT TO ${address}` });
      return { code: 550, text: '5.1.1 no such mailbox' };
    },
    onAccepted: (received) =>
      void received.parsed().then((message) => {
        const arrival = {
          messageId: message.messageId?.slice(1, 37) ?? '',
          method: 'smtp' as const,
          title: message.subject ?? '',
          to: received.to[0] ?? '',
        };
        arrivals.push(arrival);
        onEvent({ method: 'smtp', what: 'accepted 250', text: `${arrival.title} -> ${arrival.to}` });
      }),
  });

  const hook = await startHttpServer({
    answer: (request) => {
      const body = request.body.toString();
      if (body.includes(refusedTwice) && refusals < 2) {
        refusals += 1;
        onEvent({ method: 'webhook', what: 'refused 503', text: `POST ${request.path} (${refusals} of 2)` });
        return { status: 503 };
      }
      verifier.verify(body, request.headers as Record<string, string>);
      const { data } = request.json() as { data: { title: string; recipient: { id: string } } };
      arrivals.push({
        messageId: String(request.headers['webhook-id']),
        method: 'webhook',
        title: data.title,
        to: data.recipient.id,
      });
      onEvent({ method: 'webhook', what: 'accepted 204', text: `${data.title} (signature verified)` });
      return { status: 204 };
    },
  });

  return {
    smtpPort: mail.port,
    webhookUrl: `${hook.url}/hooks/acme`,
    webhookSecret,
    arrivals,
    close: async () => void (await Promise.all([mail.close(), hook.close()])),
  };
}
