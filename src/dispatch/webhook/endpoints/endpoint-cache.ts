/** Rows of endpoints as they were read last, and what was sealed in them. */
import type { Pool } from 'pg';
import { ConfigurationError } from '../../../errors.ts';
import type { Logger } from '../../../vocabulary.ts';
import type { SecretBox } from '../../../secrets.ts';
import type { Endpoint } from '../endpoint.ts';
import { type EndpointRow, endpointColumns, endpointOf } from './stored-endpoint.ts';

export interface Directory {
  /** Reads the rows of these endpoints anew; those that do not exist are missing in the answer. */
  read(ids: readonly string[]): Promise<ReadonlyMap<string, EndpointRow>>;
  /** The row, read a moment ago or now; undefined: there is none. */
  find(id: string): Promise<EndpointRow | undefined>;
  /** The endpoint of a row that was read; null: it cannot be opened, which is logged. */
  open(row: EndpointRow): Endpoint | null;
}

interface Entry {
  readonly row: EndpointRow;
  readonly readAt: number;
  /** The row opened, and when: decrypting and checking certificates for every call would be felt. */
  opened?: { readonly endpoint: Endpoint; readonly at: number };
}

/** What was read for the admission of a message is good for its call. */
const freshMs = 1_000;
/** Secrets expire, so an opened row is opened anew now and then. */
const openedMs = 60_000;
const maxEntries = 10_000;

const statement = `SELECT ${endpointColumns} FROM herald.endpoint WHERE id = ANY ($1::uuid[])`;

export function createDirectory(services: {
  readonly pool: Pool;
  readonly box: SecretBox;
  readonly logger: Logger;
}): Directory {
  const entries = new Map<string, Entry>();

  function remember(row: EndpointRow, readAt: number): void {
    const before = entries.get(row.id);
    const same = before?.row.sealed === row.sealed && before.row.updatedAt.getTime() === row.updatedAt.getTime();
    entries.set(row.id, { row, readAt, ...(same && before.opened ? { opened: before.opened } : {}) });
  }

  async function read(ids: readonly string[]): Promise<ReadonlyMap<string, EndpointRow>> {
    const { rows } = await services.pool.query<EndpointRow>(statement, [ids]);
    const readAt = Date.now();
    if (entries.size > maxEntries) entries.clear();
    for (const row of rows) remember(row, readAt);
    return new Map(rows.map((row) => [row.id, row]));
  }

  return {
    read,
    async find(id) {
      const recent = entries.get(id);
      return recent && Date.now() - recent.readAt < freshMs ? recent.row : (await read([id])).get(id);
    },
    open(row) {
      const now = Date.now();
      const entry = entries.get(row.id);
      const opened = entry?.row === row ? entry.opened : undefined;
      if (opened && now - opened.at < openedMs) return opened.endpoint;
      const endpoint = openRow(row, services);
      if (endpoint !== null && entry?.row === row) entry.opened = { endpoint, at: now };
      return endpoint;
    },
  };
}

function openRow(
  row: EndpointRow,
  { box, logger }: { readonly box: SecretBox; readonly logger: Logger },
): Endpoint | null {
  try {
    return endpointOf(row, box, new Date());
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    logger.error({ endpointId: row.id, setting: error.setting }, `an endpoint cannot be used: ${error.message}`);
    return null;
  }
}
