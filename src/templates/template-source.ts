/** What the files of a template are read into. */
import type { Issue } from '../errors.ts';
import type { Action, JsonValue, Recipient } from '../vocabulary.ts';
import type { Position } from './syntax.ts';
import type { TemplateStep } from './steps.ts';

/** The values that a template's own example is rendered with. */
export interface TemplateExample {
  /** By default `kim@example.com`. */
  readonly recipient: Recipient;
  /** Every label that the texts require. */
  readonly labels: Readonly<Record<string, string>>;
  /** Default null. */
  readonly data: JsonValue;
}

/** The texts of a template in a further language. */
export interface TemplateTranslation {
  /** Canonical BCP 47 tag. */
  readonly language: string;
  /** Handlebars; renders as one line of plain text. */
  readonly title: string;
  /** Handlebars; what lists of emails show after the subject. Null: the beginning of the body. */
  readonly preview: string | null;
  /** Handlebars in Markdown. */
  readonly body: string;
  /** Handlebars in both label and URL. */
  readonly actions: readonly Action[];
  /** The application's own words for the layout of emails, from `locales/`; null: none. */
  readonly words: Readonly<Record<string, string>> | null;
  /** What `templates check` and `preview` render it with: the template's example, where it has none of its own. */
  readonly example: TemplateExample | null;
  /** Where its texts are in its file. */
  readonly origin: TemplateOrigin;
}

/** A template file that was read. Its form is valid; `pg-herald templates check` checks its content. */
export interface TemplateSource {
  /** The file's name without `.md`. */
  readonly name: string;
  /** Canonical BCP 47 tag of the language that its texts are written in. */
  readonly language: string;
  /** The application's own words for the layout of emails, from `locales/`; null: none. */
  readonly words: Readonly<Record<string, string>> | null;
  /** The same texts in further languages, from files such as `<name>.de.md`; sorted by language. */
  readonly translations: readonly TemplateTranslation[];
  /** Handlebars; renders as one line of plain text. */
  readonly title: string;
  /** Handlebars; what lists of emails show after the subject. Null: the beginning of the body. */
  readonly preview: string | null;
  /** Handlebars in Markdown. */
  readonly body: string;
  /** What recipients see it under in their preferences. */
  readonly group: string;
  /** `system`: sent by the application. `custom`: notices that a person writes. `test`: sent to try a method. */
  readonly kind: 'system' | 'custom' | 'test';
  /** Handlebars in both label and URL. */
  readonly actions: readonly Action[];
  /** In order of preference; null: the application's default methods. */
  readonly methods: readonly string[] | null;
  /** `all`: by every method; `first`: by the first one that can reach the recipient. */
  readonly fallback: 'all' | 'first';
  /** Later messages to those who have not reacted by then, in order; null: none. */
  readonly steps: readonly TemplateStep[] | null;
  /** Whether recipients without a preference of their own receive it. */
  readonly enabledByDefault: boolean;
  /** Recipients cannot disable it. */
  readonly mandatory: boolean;
  /** A message expires this long after enqueue; null: never. */
  readonly ttlSeconds: number | null;
  /** What to do if it is not known whether the receiver accepted an attempt. */
  readonly unknown: 'retry' | 'hold';
  /** Of a message that would expire before quiet hours end: `send` it in spite of them, or `drop` it. */
  readonly quiet: 'send' | 'drop';
  /** How often a message is tried; null: the method's default. */
  readonly maxAttempts: number | null;
  /** Name of an SMTP sender; null: the first. */
  readonly sender: string | null;
  /** `schema.function` of the database that is asked before each attempt; null: none. */
  readonly guard: string | null;
  /** Whether the recipient guard of the workers is asked about its recipients. */
  readonly recipientGuard: boolean;
  /** Names of labels that are encrypted at rest and deleted when the message settles. */
  readonly secrets: readonly string[];
  /** Labels that every message needs: used by the texts, or listed in the header. Sorted. */
  readonly labels: readonly string[];
  /** Labels that the texts use only inside `default` or `lookup`. Sorted. */
  readonly optionalLabels: readonly string[];
  /** Fields of the data that every message needs. Sorted. */
  readonly dataFields: readonly string[];
  /** What `templates check` and `preview` render it with; null if the header has none. */
  readonly example: TemplateExample | null;
  /** SHA-256 of what a version consists of: title, body, actions, labels, secrets, in all of its languages. */
  readonly contentHash: string;
  /** Where its texts are in the file. */
  readonly origin: TemplateOrigin;
}

/** The positions of a template's texts in its file, for error messages. */
export interface TemplateOrigin {
  /** The file's name. */
  readonly file: string;
  /** Where each text begins, by its path: `title`, `body`, `actions[0].url`. */
  readonly positions: Readonly<Record<string, Position>>;
}

/** An error or warning about a template file. `path` is `file:line:column`. */
export interface TemplateIssue extends Issue {
  /** A template with an error is not stored. */
  readonly severity: 'error' | 'warning';
  /** The file's name. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}
