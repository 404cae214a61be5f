/** Ids of messages as people give them: whole, or as many of their first characters as name one message. */
import type { Pool } from 'pg';
import { messageIdsWithPrefix } from '../operate/messages.ts';
import { isUuid } from '../vocabulary.ts';
import { CommandFailed, UsageError } from './output.ts';

/** A shorter start is more likely a typing error than an id: the first 8 are the same for a minute. */
const leastCharacters = 8;

/** Whether a text is the start of an id. */
export function isIdPrefix(text: string): boolean {
  return text.length >= leastCharacters && isUuid(text + '00000000-0000-0000-0000-000000000000'.slice(text.length));
}

/** Returns the id that a text names; null if no message has one that starts so. A whole id is not looked up. */
export async function findMessageId(pool: Pool, text: string): Promise<string | null> {
  if (isUuid(text)) return text.toLowerCase();
  if (!isIdPrefix(text)) return null;
  const [id = null, another] = await messageIdsWithPrefix(pool, text);
  if (another === undefined) return id;
  throw new UsageError(`the ids of several messages start with "${text}": give more characters`);
}

/** The same for a text that must be an id. */
export async function messageIdOf(pool: Pool, text: string): Promise<string> {
  if (!isUuid(text) && !isIdPrefix(text))
    throw new UsageError(
      `invalid message id "${text}": expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057, or its first ` +
        '8 characters or more (see "pg-herald messages list")',
    );
  return (await findMessageId(pool, text)) ?? noSuchMessage(text);
}

/** Ends the command because no message has this id. */
export function noSuchMessage(id: string): never {
  throw new CommandFailed(`no message ${id}: it may have been purged, or its transaction was rolled back`);
}
