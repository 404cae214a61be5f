/**
 * Messages of Amazon SNS over HTTPS. Everything that a forger can choose is compared with the topics that were named
 * before it is used: only then a certificate is fetched, from the one host of the topic's region.
 */
import { createVerify, X509Certificate } from 'node:crypto';
import { readBoundedBody } from '../../bounded-body.ts';
import { at, isFresh, type Json, parseJson, type ProviderRequest, type Refused, textAt } from '../provider.ts';

/** A message whose signature is right, from a topic that was named. */
export interface SnsMessage {
  readonly type: string;
  readonly id: string;
  readonly message: string;
}

/** What is done over the network; tests answer in place of Amazon. */
export interface SnsNetwork {
  readonly fetch: typeof fetch;
}

/** Verifies messages. */
export interface SnsReader {
  /** Rejects if the certificate cannot be fetched now. */
  read(request: ProviderRequest): Promise<SnsMessage | Refused>;
}

const arnPattern = /^arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-\d):\d{12}:[\w-]{1,256}(?:\.fifo)?$/;
const certificatePath = /^\/SimpleNotificationService-[0-9a-f]{16,64}\.pem$/;
const mostCertificateBytes = 32_768;
const mostCertificates = 10;
const timeoutMs = 5000;
const algorithms: ReadonlyMap<string, string> = new Map([
  ['1', 'RSA-SHA1'],
  ['2', 'RSA-SHA256'],
]);

const lineFields = ['MessageId', 'Timestamp', 'TopicArn', 'Type'] as const;
const isLine = (value: unknown): boolean => typeof value === 'string' && !/[\r\n]/.test(value);

/** Whether a text is the ARN of a topic. */
export function isTopicArn(text: string): boolean {
  return arnPattern.test(text);
}

/** The host that signs for a topic. A host of the caller's choice is never asked. */
function hostOf(topicArn: string): string {
  const [, partition, region] = arnPattern.exec(topicArn) ?? [];
  return `sns.${region}.${partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com'}`;
}

/** @param topicArns the only topics whose messages count, and whose subscriptions are confirmed */
export function createSnsReader(topicArns: readonly string[], network: SnsNetwork): SnsReader {
  const certificates = createCertificates(network);
  return {
    async read({ body, now }) {
      const given = parseJson(body);
      // What is not text is not in the signed text, and a line break could move one field into another.
      if (!lineFields.every((field) => isLine(at(given, field)))) return { refused: 'signature' };
      const topicArn = textAt(given, 'TopicArn');
      if (!topicArns.includes(topicArn)) return { refused: 'topic' };
      const url = URL.parse(textAt(given, 'SigningCertURL'));
      if (url === null || !isCertificateUrl(url, hostOf(topicArn))) return { refused: 'signature' };
      if (!isFresh(Date.parse(textAt(given, 'Timestamp')), now)) return { refused: 'replay' };
      if (!isSigned(given as Json, await certificates.at(url.href), now)) return { refused: 'signature' };
      const message = {
        type: textAt(given, 'Type'),
        id: textAt(given, 'MessageId'),
        message: textAt(given, 'Message'),
      };
      if (message.type === 'SubscriptionConfirmation') await confirm(topicArn, textAt(given, 'Token'), network);
      return message;
    },
  };
}

/** The exact host, port and form of path; user, query and fragment would be another address. */
function isCertificateUrl(url: URL, host: string): boolean {
  return (
    url.protocol === 'https:' &&
    url.host === host &&
    `${url.username}${url.password}${url.search}${url.hash}` === '' &&
    certificatePath.test(url.pathname)
  );
}

function isSigned(message: Json, certificate: X509Certificate, now: Date): boolean {
  const algorithm = algorithms.get(textAt(message, 'SignatureVersion'));
  if (algorithm === undefined || Date.parse(certificate.validTo) < now.getTime()) return false;
  const text = signedText(message);
  const signature = Buffer.from(textAt(message, 'Signature'), 'base64');
  return text !== null && createVerify(algorithm).update(text, 'utf8').verify(certificate.publicKey, signature);
}

const signedFields: ReadonlyMap<string, readonly string[]> = new Map([
  ['Notification', ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']],
  ['SubscriptionConfirmation', ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']],
  ['UnsubscribeConfirmation', ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']],
]);

/** Names and values, each on a line of its own; a field that is not there is left out. */
function signedText(message: Json): string | null {
  const fields = signedFields.get(textAt(message, 'Type'));
  if (fields === undefined) return null;
  const present = fields.filter((name) => typeof message[name] === 'string');
  return present.map((name) => `${name}\n${textAt(message, name)}\n`).join('');
}

/** Built from the topic, not from the URL of the message. Rejects if it fails: SNS repeats the message. */
async function confirm(topicArn: string, token: string, network: SnsNetwork): Promise<void> {
  const query = new URLSearchParams({ Action: 'ConfirmSubscription', TopicArn: topicArn, Token: token });
  const response = await network.fetch(`https://${hostOf(topicArn)}/?${query.toString()}`, {
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the subscription was not confirmed: HTTP status ${response.status}`);
}

function createCertificates({ fetch: get }: SnsNetwork): { at(url: string): Promise<X509Certificate> } {
  const known = new Map<string, X509Certificate>();
  return {
    async at(url) {
      const cached = known.get(url);
      if (cached !== undefined) return cached;
      const response = await get(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
      if (!response.ok) throw new Error(`no certificate: HTTP status ${response.status}`);
      const certificate = new X509Certificate(await boundedText(response));
      if (known.size === mostCertificates) known.clear();
      known.set(url, certificate);
      return certificate;
    },
  };
}

async function boundedText(response: Response): Promise<string> {
  const bytes = await readBoundedBody(response.body, mostCertificateBytes);
  if (bytes === null) throw new Error('no certificate: the response is too large');
  return bytes.toString();
}
