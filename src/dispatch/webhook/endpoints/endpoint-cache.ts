/** Stored endpoints as they were last read, with their decrypted settings. */
import type { Pool } from 'pg';
import { ConfigurationError } from '../../../errors.ts';
import type { Logger } from '../../../vocabulary.ts';
import type { SecretBox } from '../../../secrets.ts';
import type { Endpoint } from '../endpoint.ts';
import { type StoredEndpoint, endpointColumns, toEndpoint } from './stored-endpoint.ts';

/** A cache of stored endpoints. */
export interface EndpointCache {
  /** Reads these endpoints from the database; those that do not exist are missing from the map. */
  read(ids: readonly string[]): Promise<ReadonlyMap<string, StoredEndpoint>>;
  /** Returns the endpoint as read within the last second, or reads it; undefined if there is none. */
  find(id: string): Promise<StoredEndpoint | undefined>;
  /** Decrypts an endpoint that was read; null if that is not possible, which is logged. */
  open(stored: StoredEndpoint): Endpoint | null;
}

interface Entry {
  readonly row: StoredEndpoint;
  readonly readAt: number;
  /** The decrypted endpoint, and since when: decrypting and checking certificates for every call costs too much. */
  opened?: { readonly endpoint: Endpoint; readonly at: number };
}

/** What was read to admit a message is recent enough to call its endpoint. */
const freshMs = 1_000;
/** Previous secrets expire, so an endpoint is decrypted again after a while. */
const openedMs = 60_000;
const maxEntries = 10_000;

const statement = `SELECT ${endpointColumns} FROM herald.endpoint WHERE id = ANY ($1::uuid[])`;

/** Creates an empty cache; `box` decrypts the settings. */
export function createEndpointCache(services: {
  readonly pool: Pool;
  readonly box: SecretBox;
  readonly logger: Logger;
}): EndpointCache {
  const entries = new Map<string, Entry>();

  function remember(row: StoredEndpoint, readAt: number): void {
    const before = entries.get(row.id);
    const same = before?.row.sealed === row.sealed && before.row.updatedAt.getTime() === row.updatedAt.getTime();
    entries.set(row.id, { row, readAt, ...(same && before.opened ? { opened: before.opened } : {}) });
  }

  async function read(ids: readonly string[]): Promise<ReadonlyMap<string, StoredEndpoint>> {
    const { rows } = await services.pool.query<StoredEndpoint>(statement, [ids]);
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
  row: StoredEndpoint,
  { box, logger }: { readonly box: SecretBox; readonly logger: Logger },
): Endpoint | null {
  try {
    return toEndpoint(row, box, new Date());
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    logger.error({ endpointId: row.id, setting: error.setting }, `cannot use an endpoint: ${error.message}`);
    return null;
  }
}
