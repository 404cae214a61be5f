/** The place of an item in a list, as opaque text: its time to the microsecond, and its id. */
import type { ItemSource } from './item.ts';

/** A place between two items. */
export interface Place {
  readonly createdAt: string;
  readonly id: string;
}

const pattern = /^(\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([0-9a-f-]{36})$/;

/** Returns the cursor of the page after this item. */
export function cursorAfter({ createdAt, id }: ItemSource): string {
  return Buffer.from(`${createdAt} ${id}`).toString('base64url');
}

/** Returns the place that a cursor names; null if it is not a cursor. */
export function placeOf(cursor: string): Place | null {
  const [, createdAt, id] = pattern.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (createdAt === undefined || id === undefined || Number.isNaN(Date.parse(createdAt))) return null;
  return { createdAt, id };
}
