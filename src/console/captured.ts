/** The seam for a development catcher: it stands in for mail servers and webhook receivers, and the console shows what it caught. */

/** One mail or webhook call that was caught instead of leaving the machine. */
export interface Catch {
  readonly id: string;
  readonly at: Date;
  readonly kind: 'mail' | 'webhook';
  /** The message that it belongs to; null: not one of ours. */
  readonly messageId: string | null;
  /** Envelope recipients, or the URL that was called. */
  readonly to: string;
  /** Subject, or the type of the payload. */
  readonly title: string;
  /** As it came over the wire: the mail with its header, or request line, headers and body. */
  readonly source: string;
}

export interface Catches {
  /** Newest first; the console shows the first 200. */
  list(): readonly Catch[] | Promise<readonly Catch[]>;
  /** Of one message, oldest first. */
  forMessage(messageId: string): readonly Catch[] | Promise<readonly Catch[]>;
}
