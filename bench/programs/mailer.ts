/** nodemailer alone, with ready content: over its pool, or with a connection for each message as simple systems do. */
import nodemailer from 'nodemailer';
import { renderEmail } from '../../src/templates/email.ts';
import { createRenderer } from '../../src/templates/render.ts';
import type { TemplateTexts } from '../../src/templates/render.ts';
import { inTurns } from './in-turns.ts';
import { serve } from './serve.ts';

export interface MailerInput {
  readonly port: number;
  readonly connections: number;
  readonly pool: boolean;
  /** PEM; STARTTLS is required. */
  readonly ca?: string;
  readonly template: TemplateTexts;
  readonly labels: Readonly<Record<string, string>>;
}

const brand = { appName: 'Acme', baseUrl: 'https://acme.example' };

serve<MailerInput>(async ({ port, connections, pool, ca, template, labels }) => {
  const security =
    ca === undefined
      ? { ignoreTLS: true }
      : { requireTLS: true, tls: { ca, servername: 'localhost', minVersion: 'TLSv1.2' as const } };
  const where = { host: '127.0.0.1', port, secure: false, ...security };
  const transport = pool
    ? nodemailer.createTransport({ ...where, pool: true, maxConnections: connections, maxMessages: 100 })
    : nodemailer.createTransport(where);
  const createdAt = new Date();
  const recipient = { id: 'u1', email: 'user1@example.com', name: 'Customer Number 1' };
  const content = createRenderer()({ template, recipient, labels, data: null, brand, createdAt });
  const { subject, text, html } = renderEmail({ content, brand, createdAt });
  // The pool keeps a message waiting for each connection; without it there are as many messages as connections.
  const atOnce = pool ? connections * 2 : connections;
  return {
    answers: {
      /** Emails per second. */
      send: async (count: number) => {
        const startedAt = performance.now();
        await inTurns(count, atOnce, (n) =>
          transport.sendMail({
            from: { name: 'Acme', address: 'noreply@acme.example' },
            to: { name: `Customer Number ${n}`, address: `user${n}@example.com` },
            subject,
            text,
            html,
          }),
        );
        return count / ((performance.now() - startedAt) / 1000);
      },
    },
    close: async () => transport.close(),
  };
});
