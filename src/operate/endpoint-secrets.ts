/** The encrypted part of stored endpoints: opening it, a new signing secret, a new encryption key. */
import type { Endpoint } from '../dispatch/webhook/endpoint.ts';
import {
  endpointColumns,
  toEndpoint,
  type StoredEndpoint,
  openSettings,
  rotateSecret,
  type SealedSettings,
  sealSettings,
} from '../dispatch/webhook/endpoints/stored-endpoint.ts';
import { generateSecret } from '../dispatch/webhook/signature.ts';
import { ConfigurationError } from '../errors.ts';
import type { SecretBox } from '../secrets.ts';
import type { Queryable } from '../database/pool.ts';

interface SealedRows {
  readonly pool: Queryable;
  readonly box: SecretBox;
}

/** Decrypts an endpoint for a test call; null if there is none. @throws {ConfigurationError} without its key. */
export async function openEndpoint(id: string, { pool, box }: SealedRows): Promise<Endpoint | null> {
  const { rows } = await pool.query<StoredEndpoint>(`SELECT ${endpointColumns} FROM herald.endpoint WHERE id = $1`, [
    id,
  ]);
  const [row] = rows;
  return row === undefined ? null : toEndpoint(row, box, new Date());
}

/**
 * Gives an endpoint of format `standard` a new signing secret and returns it; null if there is no such endpoint.
 *
 * @throws {ConfigurationError} for other formats, and if the endpoint was changed at the same time.
 */
export async function rotateEndpoint(
  id: string,
  { pool, box, overlapSeconds }: SealedRows & { readonly overlapSeconds?: number },
): Promise<string | null> {
  const { rows } = await pool.query<{ sealed: string; format: string }>(
    'SELECT sealed, format FROM herald.endpoint WHERE id = $1',
    [id],
  );
  const [row] = rows;
  if (row === undefined) return null;
  if (row.format !== 'standard')
    throw new ConfigurationError(
      'endpoint',
      `has format ${row.format}, whose credential is issued by that service; add a new endpoint instead`,
    );
  const secret = generateSecret();
  const settings = rotateSecret(openSettings(box, id, row.sealed), secret, {
    now: new Date(),
    ...(overlapSeconds !== undefined && { overlapSeconds }),
  });
  // Without the comparison, the secret of a rotation that ran in between would be lost.
  const written = await pool.query(
    'UPDATE herald.endpoint SET sealed = $2, updated_at = now() WHERE id = $1 AND sealed = $3',
    [id, sealSettings(box, id, settings), row.sealed],
  );
  if (written.rowCount === 0) throw new ConfigurationError('endpoint', 'was changed at the same time; try again');
  return secret;
}

/** What `reseal` did. */
export interface ResealReport {
  /** Endpoints that are encrypted with the current key now and were not before. */
  readonly resealed: number;
  /** Endpoints that were encrypted with the current key already. */
  readonly current: number;
  /** Ids of endpoints whose key is not configured, or whose text was changed; left as they are. */
  readonly unreadable: readonly string[];
}

const batchSize = 500;
const batchStatement = `SELECT id, sealed FROM herald.endpoint WHERE id > $1 ORDER BY id LIMIT ${batchSize}`;

/** Encrypts the settings of all endpoints with the current key, so that an older key can be retired. */
export async function resealEndpoints({ pool, box }: SealedRows): Promise<ResealReport> {
  let resealed = 0;
  let current = 0;
  const unreadable: string[] = [];
  for (let last: string | undefined = '00000000-0000-0000-0000-000000000000'; last !== undefined; ) {
    const { rows }: { rows: { id: string; sealed: string }[] } = await pool.query(batchStatement, [last]);
    for (const row of rows) {
      const result = await resealEndpoint(row, { pool, box });
      if (result === 'resealed') resealed += 1;
      else if (result === 'current') current += 1;
      else unreadable.push(row.id);
    }
    last = rows.at(-1)?.id;
  }
  return { resealed, current, unreadable };
}

async function resealEndpoint(
  row: { readonly id: string; readonly sealed: string },
  { pool, box }: SealedRows,
): Promise<'resealed' | 'current' | 'unreadable'> {
  let settings: SealedSettings;
  try {
    settings = openSettings(box, row.id, row.sealed);
  } catch (error) {
    if (error instanceof ConfigurationError) return 'unreadable';
    throw error;
  }
  const sealed = sealSettings(box, row.id, settings);
  if (keyIdOf(sealed) === keyIdOf(row.sealed)) return 'current';
  // A row that was rotated in between was sealed with the current key by that.
  await pool.query('UPDATE herald.endpoint SET sealed = $2 WHERE id = $1 AND sealed = $3', [
    row.id,
    sealed,
    row.sealed,
  ]);
  return 'resealed';
}

/** The second field of a sealed text names its key. */
function keyIdOf(sealed: string): string | undefined {
  return sealed.split('.')[1];
}
