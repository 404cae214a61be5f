/** The message that an address names, with what it was rendered from. */
import type { Pool } from 'pg';
import { type MessageSource, readMessageSource } from '../../operate/message-source.ts';
import { type MessageDetails, showMessage } from '../../operate/messages.ts';
import { isId } from '../input.ts';

export interface Shown {
  readonly message: MessageDetails;
  readonly source: MessageSource;
}

/** Null: there is no such message, or the text is no id. */
export async function readShown(pool: Pool, id: string): Promise<Shown | null> {
  if (!isId(id)) return null;
  const [message, source] = await Promise.all([showMessage(pool, id), readMessageSource(pool, id)]);
  return message === null || source === null ? null : { message, source };
}
