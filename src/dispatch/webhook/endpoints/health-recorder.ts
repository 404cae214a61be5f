/**
 * Writes down how endpoints do, for all replicas: what came of calls is gathered while a transaction is under way and
 * applied by the next one, so that a burst costs a few row locks and not one per call.
 */
import { transaction } from '../../../database/pool.ts';
import type { Pool, PoolClient } from 'pg';
import type { Logger } from '../../../vocabulary.ts';
import { isPristine, observe, type Circuit, type DisabledReason, type Observation } from './circuit.ts';
import { circuitColumns, heldAssignments } from './stored-endpoint.ts';

/** What the owner of an endpoint should hear. */
export interface EndpointNews {
  readonly kind: 'failing' | 'recovered' | 'disabled';
  readonly endpointId: string;
  readonly name: string;
  readonly tenant: string | null;
  readonly recipientId: string | null;
  /** With `disabled`. */
  readonly reason: DisabledReason | null;
  readonly failingSince: Date | null;
  /** Calls in a row that did not work. */
  readonly failures: number;
}

/** Tells the owner, in the transaction that changes the endpoint: enqueue a message there, and nothing is lost. */
export type Announce = (client: Pick<PoolClient, 'query'>, news: EndpointNews) => Promise<void>;

export interface Ledger {
  /** Remembers what came of a call; written soon, never waited for by a delivery. */
  record(endpointId: string, observation: Observation, known: Circuit | null): void;
  /** Resolves when everything that was recorded is written, or could not be. */
  flush(): Promise<void>;
}

interface LockedRow extends Circuit {
  readonly id: string;
  readonly name: string;
  readonly tenant: string | null;
  readonly recipientId: string | null;
  readonly disabledAt: Date | null;
  /** By the database's clock, which all replicas share. */
  readonly now: Date;
}

interface Change {
  readonly row: LockedRow;
  readonly circuit: Circuit;
  readonly disable: DisabledReason | null;
  readonly news: EndpointNews[];
}

const lockStatement = `SELECT id, name, tenant, recipient_id AS "recipientId", disabled_at AS "disabledAt", clock_timestamp() AS now, ${circuitColumns}
FROM herald.endpoint WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE`;

const writeStatement = `
UPDATE herald.endpoint e
SET failures = c.failures, faults = c.faults, failing_since = c."failingSince", warned_at = c."warnedAt", opened_at = c."openedAt",
  probe_at = c."probeAt", probing = c.probing, probes = c.probes, window_at = c."windowAt", window_calls = c."windowCalls",
  window_faults = c."windowFaults", disabled_at = coalesce(e.disabled_at, CASE WHEN c.disable IS NOT NULL THEN now() END),
  disabled_reason = coalesce(e.disabled_reason, c.disable)
FROM jsonb_to_recordset($1::jsonb) AS c (id uuid, failures integer, faults integer, "failingSince" timestamptz, "warnedAt" timestamptz,
  "openedAt" timestamptz, "probeAt" timestamptz, probing boolean, probes integer, "windowAt" timestamptz, "windowCalls" integer,
  "windowFaults" integer, disable text)
WHERE e.id = c.id`;

/** Nothing is deleted: what waits for a disabled endpoint is held until its owner or an operator acts. */
const holdStatement = `
UPDATE herald.message SET ${heldAssignments}
WHERE endpoint_id = ANY ($1::uuid[]) AND status = 'pending'`;

export function createLedger(services: {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly announce: Announce | undefined;
}): Ledger {
  const waiting = new Map<string, Observation[]>();
  let writing: Promise<void> | null = null;

  async function writeAll(): Promise<void> {
    // Whoever records in the same turn shall be in the same transaction.
    await Promise.resolve();
    while (waiting.size > 0) {
      const taken = new Map(waiting);
      waiting.clear();
      try {
        await write(taken, services);
      } catch (error) {
        // The next failures of a sick endpoint will say the same again.
        services.logger.error({ error: errorName(error), endpoints: taken.size }, 'cannot record how endpoints do');
      }
    }
  }

  return {
    record(endpointId, observation, known) {
      if (observation.effect === 'none') return;
      const list = waiting.get(endpointId) ?? [];
      const uneventful = observation.effect === 'healthy' && list.length === 0 && known !== null && isPristine(known);
      if (uneventful) return;
      waiting.set(endpointId, merged(list, observation));
      writing ??= writeAll().finally(() => {
        writing = null;
      });
    },
    async flush() {
      while (writing !== null) await writing;
    },
  };
}

function merged(list: readonly Observation[], next: Observation): Observation[] {
  const last = list.at(-1);
  if (last?.effect !== next.effect) return [...list, next];
  const both = { ...last, count: last.count + next.count, attempt: Math.max(last.attempt, next.attempt) };
  return [...list.slice(0, -1), both];
}

async function write(
  seen: ReadonlyMap<string, readonly Observation[]>,
  { pool, announce }: { readonly pool: Pool; readonly announce: Announce | undefined },
): Promise<void> {
  await transaction(pool, async (client) => {
    const { rows } = await client.query<LockedRow>(lockStatement, [[...seen.keys()]]);
    const changes = rows.map((row) => changeOf(row, seen.get(row.id) ?? []));
    await client.query(writeStatement, [
      JSON.stringify(changes.map(({ row, circuit, disable }) => ({ ...circuit, id: row.id, disable }))),
    ]);
    const disabled = changes.filter(({ disable }) => disable !== null).map(({ row }) => row.id);
    if (disabled.length > 0) await client.query(holdStatement, [disabled]);
    for (const news of changes.flatMap((change) => change.news)) await announce?.(client, news);
  });
}

function changeOf(row: LockedRow, observations: readonly Observation[]): Change {
  let circuit: Circuit = row;
  let disable: DisabledReason | null = null;
  const news: EndpointNews[] = [];
  const tell = (kind: EndpointNews['kind'], reason: DisabledReason | null) => {
    const { id, name, tenant, recipientId } = row;
    const { failingSince, failures } = circuit;
    news.push({ kind, endpointId: id, name, tenant, recipientId, reason, failingSince, failures });
  };
  for (const observation of observations) {
    const next = observe(circuit, observation, row.now);
    circuit = next.circuit;
    if (next.news !== null) tell(next.news, null);
    if (next.disable !== null && disable === null && row.disabledAt === null) {
      disable = next.disable;
      tell('disabled', disable);
    }
  }
  return { row, circuit, disable, news };
}

function errorName(error: unknown): string {
  return error instanceof Error ? ('code' in error ? String(error.code) : error.name) : 'unknown';
}
