/**
 * The vocabulary: the states of a message, the outcomes of an attempt, the closed list of reasons, and the types that
 * every part uses. Imports nothing of ours, so that every other part may import it.
 */

/** Any value that JSON can carry. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

/**
 * The states of a message. `sent` means that the receiving server or endpoint accepted it, not that a person read it.
 * `pending` with attempts behind it is a retry that waits for its time. `held` waits for an operator.
 */
export const messageStatuses = [
  'pending',
  'sending',
  'sent',
  'failed',
  'inhibited',
  'cancelled',
  'expired',
  'held',
] as const;
/** The status of a message. */
export type MessageStatus = (typeof messageStatuses)[number];

/** The outcomes of an attempt. `unknown`: the receiver may or may not have accepted the message. */
export const outcomes = ['sent', 'retry', 'failed', 'unknown'] as const;
/** The outcome of an attempt. */
export type Outcome = (typeof outcomes)[number];

/** The rules that may stop a message already when it is enqueued. */
export const inhibitingReasons = [
  'no_address',
  'invalid_address',
  'template_disabled',
  'method_disabled',
  'preference',
  'default_off',
  'suppressed',
  'endpoint_disabled',
  'not_subscribed',
] as const;

/**
 * Why a message or an attempt has its status or outcome: a closed list, so that reasons can be counted and alerted on.
 * The receiver's words go into the detail beside it.
 */
export const reasons = [
  // ours: failed at once, never retried (`internal` is retried: a bug may be fixed by a deploy)
  'internal',
  'render_failed',
  'no_dispatcher',
  // rules: why nothing was sent
  ...inhibitingReasons,
  'guard',
  'guard_failed',
  'expired',
  'cancelled',
  'subject_deleted',
  // it waits until the recipient may be reached
  'quiet_hours',
  'seen',
  'read',
  'acknowledged',
  // the worker
  'worker_lost',
  'shutdown',
  'attempts_spent',
  'deadline',
  // an operator: it may have gone out before the database was restored
  'restored',
  // the method itself is at fault: pauses the method, no attempt is counted
  'unreachable',
  'dns',
  'connect_timeout',
  'tls',
  'authentication',
  'protocol',
  'misconfigured',
  'proxy',
  'throttled',
  // what the receiver said about this message
  'no_such_recipient',
  'mailbox_full',
  'too_large',
  'content_refused',
  'sender_refused',
  'refused',
  'deferred',
  'rate_limited',
  'server_error',
  'redirect',
  'gone',
  'destination_not_allowed',
  'connection_lost',
  'no_reply',
  'unparsable_reply',
] as const;
/** Why a message or an attempt has its status or outcome. */
export type Reason = (typeof reasons)[number];

/** The person who is told. Stored as a snapshot at enqueue; each method uses the fields that it needs. */
export interface Recipient {
  /** The application's own id of the person, team or system; at most 200 characters. */
  readonly id: string;
  /** One RFC 5321 address, needed by `smtp`. */
  readonly email?: string;
  /** Display name, one line, at most 200 characters. */
  readonly name?: string;
  /** BCP 47 language tag, for example `de-AT`. */
  readonly locale?: string;
  /** IANA time zone, for example `Europe/Vienna`. */
  readonly timeZone?: string;
}

/** A button or link beneath the body: rendered label and absolute `https:`, `http:` or `mailto:` URL. */
export interface Action {
  /** One line of plain text. */
  readonly label: string;
  /** Absolute `https:`, `http:` or `mailto:` URL. */
  readonly url: string;
}

/** A file of a notification, stored once whatever the number of recipients. */
export interface Attachment {
  /** As the recipient sees it: one line of 200 characters at most, without slashes. */
  readonly name: string;
  /** For example `application/pdf`. */
  readonly contentType: string;
  /** The bytes of the file; not empty. */
  readonly content: Uint8Array;
}

/** What a template version and a message make together. Pure: the same input gives the same bytes. */
export interface RenderedContent {
  /** One line of plain text; the subject of an email. The template's name if the text is empty. */
  readonly title: string;
  /**
   * One line of plain text that lists of emails show after the subject; absent: the beginning of the body. An empty one
   * leaves it out.
   */
  readonly preview?: string;
  /** The body as Markdown, every value in it escaped. */
  readonly markdown: string;
  /** The body as plain text. */
  readonly text: string;
  /** The body as an HTML fragment without layout, safe to embed. */
  readonly html: string;
  /** Buttons below the body: at most 10 of the template, none with an empty label, and 10 of the notification. */
  readonly actions: readonly Action[];
  /** BCP 47 tag of the language that the text is written in, which may differ from the recipient's. */
  readonly language: string;
  /** Whether the language is written from left to right or from right to left. */
  readonly direction: 'ltr' | 'rtl';
  /** The application's own words for the layout of emails in this language; absent: those of pg-herald. */
  readonly words?: Readonly<Record<string, string>>;
}

/** What every email and page of an application shows around the content. */
export interface Brand {
  /** Shown in header and footer. */
  readonly appName: string;
  /** Absolute URL of the application, without a trailing slash. `{{baseUrl}}` in templates. */
  readonly baseUrl: string;
  /** Absolute https URL of a PNG or JPEG; the name is shown without it. `{{logoUrl}}` in templates. */
  readonly logoUrl?: string;
  /** The same for dark mode, where dark letters on a transparent background disappear. Default: `logoUrl`. */
  readonly logoDarkUrl?: string;
  /** In CSS pixels, 8 to 400. Default: as the height demands. */
  readonly logoWidth?: number;
  /** In CSS pixels, 8 to 200. Default: 36. */
  readonly logoHeight?: number;
  /**
   * Colour of buttons and links, for example `#0b5cad`. Where it would be too weak on its background, in light or in
   * dark mode, a darker or lighter shade is used (WCAG 2.2, 1.4.3 and 1.4.11). Default: `#0b5cad`.
   */
  readonly color?: string;
  /**
   * Lines below every email, for example a postal address and where to find support: at most 5, each of 200
   * characters. URLs and email addresses in them become links. Default: none.
   */
  readonly footer?: readonly string[];
}

/** A pino-shaped logger; pg-herald logs nothing unless one is given. Never receives secrets, addresses or bodies. */
export interface Logger {
  /** For details that help to find a fault. */
  debug(fields: object, message: string): void;
  /** For what happens in normal operation. */
  info(fields: object, message: string): void;
  /** For what an operator should look at. */
  warn(fields: object, message: string): void;
  /** For what an operator must look at. */
  error(fields: object, message: string): void;
}

/** The logger that drops everything. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** Whether a text is a UUID: the form of every id of messages, notifications and endpoints. */
export function isUuid(text: unknown): boolean {
  return typeof text === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
