/** What a reader sees, and what it is made of. Types only. */
import type { TemplateTexts } from '../templates/render.ts';
import type { Action, Recipient } from '../vocabulary.ts';

/** Whose inbox it is. */
export interface Reader {
  /** Id of the recipient that notifications are addressed to. */
  readonly recipientId: string;
  /** Limits the inbox to the items of one tenant and those of none. Default: all items of the recipient. */
  readonly tenant?: string | null | undefined;
}

/** One inbox message as its reader sees it. Times are ISO 8601 in UTC. */
export interface Item {
  /** Id of the message, a UUID. */
  readonly id: string;
  /** Name of its template. */
  readonly template: string;
  /** Group of its template. */
  readonly group: string;
  /** One line of plain text. */
  readonly title: string;
  /** The body as plain text; empty if the message can no longer be rendered. */
  readonly text: string;
  /** The body as an HTML fragment, safe to embed. */
  readonly html: string;
  /** Buttons below the body. */
  readonly actions: readonly Action[];
  /** Ids of the things that it is about. */
  readonly targets: readonly string[];
  /** BCP 47 tag of the language of the texts. */
  readonly language: string;
  /** Direction of the language. */
  readonly direction: 'ltr' | 'rtl';
  /** When it came into the inbox, to the microsecond. Lists are sorted by it and the id, newest first. */
  readonly createdAt: string;
  /** When it was marked as seen; null: it was not. */
  readonly seenAt: string | null;
  /** When it was marked as read; null: it was not. A read item is a seen one as well. */
  readonly readAt: string | null;
  /** When it was archived; null: it was not. */
  readonly archivedAt: string | null;
}

/** The exact numbers of a reader's items. Archived ones count in neither. */
export interface ItemCounts {
  /** Items that are not read. */
  readonly unread: number;
  /** Items that are neither seen nor read. */
  readonly unseen: number;
}

/** What the database returns of one item: everything but the text of its template version. */
export interface ItemSource {
  readonly id: string;
  readonly template: string;
  readonly version: number;
  readonly group: string;
  readonly recipient: Recipient;
  readonly labels: Readonly<Record<string, string>>;
  /** The JSON as text, which keeps the digits of its numbers. */
  readonly data: string | null;
  readonly actions: readonly Action[] | null;
  readonly targets: readonly string[];
  /** What the tenant changes of the application's brand; null: it has none. */
  readonly brand: unknown;
  readonly enqueuedAt: string;
  readonly createdAt: string;
  readonly seenAt: string | null;
  readonly readAt: string | null;
  readonly archivedAt: string | null;
}

/** The stored texts of a template version, and which labels an inbox does not show. */
export interface VersionTexts extends TemplateTexts {
  readonly secrets: readonly string[];
}
