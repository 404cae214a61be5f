/**
 * Records the health of endpoints for all replicas. Results are collected while a transaction is running and written by
 * the next one, so that a burst of calls takes a few row locks instead of one per call.
 */
import { createBatcher } from '../../../batcher.ts';
import { codeOf } from '../../../errors.ts';
import type { Pool, PoolClient } from 'pg';
import { transaction } from '../../../database/pool.ts';
import type { Logger } from '../../../vocabulary.ts';
import { isPristine, observe, type Circuit, type DisabledReason, type Observation } from './circuit.ts';
import type { EndpointEvent, NotifyOwner } from './notify-owner.ts';
import { circuitColumns, heldAssignments } from './stored-endpoint.ts';

/** Records the results of calls to stored endpoints. */
export interface HealthRecorder {
  /** Remembers the result of a call. It is written soon; no delivery waits for it. */
  record(endpointId: string, observation: Observation, known: Circuit | null): void;
  /** Resolves when everything that was recorded is written, or could not be. */
  flush(): Promise<void>;
}

interface RecorderServices {
  readonly pool: Pool;
  readonly logger: Logger;
  readonly notifyOwner: NotifyOwner;
}

interface LockedEndpoint extends Circuit {
  readonly id: string;
  readonly name: string;
  readonly tenant: string | null;
  readonly recipientId: string | null;
  readonly disabledAt: Date | null;
  /** By the database's clock, which all replicas share. */
  readonly now: Date;
}

interface Change {
  readonly endpoint: LockedEndpoint;
  readonly circuit: Circuit;
  readonly disable: DisabledReason | null;
  readonly events: readonly EndpointEvent[];
}

const lockStatement = `
SELECT id, name, tenant, recipient_id AS "recipientId", disabled_at AS "disabledAt", clock_timestamp() AS now,
  ${circuitColumns}
FROM herald.endpoint WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE`;

const writeStatement = `
UPDATE herald.endpoint e
SET failures = c.failures, faults = c.faults, failing_since = c."failingSince", warned_at = c."warnedAt",
  opened_at = c."openedAt", probe_at = c."probeAt", probing = c.probing, probes = c.probes, window_at = c."windowAt",
  window_calls = c."windowCalls", window_faults = c."windowFaults",
  disabled_at = coalesce(e.disabled_at, CASE WHEN c.disable IS NOT NULL THEN now() END),
  disabled_reason = coalesce(e.disabled_reason, c.disable)
FROM jsonb_to_recordset($1::jsonb) AS c (id uuid, failures integer, faults integer, "failingSince" timestamptz,
  "warnedAt" timestamptz, "openedAt" timestamptz, "probeAt" timestamptz, probing boolean, probes integer,
  "windowAt" timestamptz, "windowCalls" integer, "windowFaults" integer, disable text)
WHERE e.id = c.id`;

// Nothing is deleted: what waits for a disabled endpoint is held until its owner or an operator acts.
const holdStatement = `
UPDATE herald.message SET ${heldAssignments}
WHERE endpoint_id = ANY ($1::uuid[]) AND status = 'pending'`;

interface Recorded {
  readonly endpointId: string;
  readonly observation: Observation;
}

/** Creates a recorder that writes to `herald.endpoint` and tells owners with `notifyOwner`. */
export function createHealthRecorder(services: RecorderServices): HealthRecorder {
  const waiting = new Set<string>();
  const batcher = createBatcher<Recorded>({
    async write(batch) {
      waiting.clear();
      const seen = new Map<string, Observation[]>();
      for (const { endpointId, observation } of batch)
        seen.set(endpointId, merged(seen.get(endpointId) ?? [], observation));
      try {
        await write(seen, services);
      } catch (error) {
        // The next failures of a failing endpoint record the same again.
        services.logger.error({ error: codeOf(error), endpoints: seen.size }, 'cannot record the health of endpoints');
      }
    },
  });
  return {
    record(endpointId, observation, known) {
      if (observation.effect === 'none') return;
      const isNews =
        observation.effect !== 'healthy' || waiting.has(endpointId) || known === null || !isPristine(known);
      if (!isNews) return;
      waiting.add(endpointId);
      void batcher.add([{ endpointId, observation }]);
    },
    flush: () => batcher.flush(),
  };
}

function merged(list: readonly Observation[], next: Observation): Observation[] {
  const last = list.at(-1);
  if (last?.effect !== next.effect) return [...list, next];
  const both = { ...last, count: last.count + next.count, attempt: Math.max(last.attempt, next.attempt) };
  return [...list.slice(0, -1), both];
}

async function write(seen: ReadonlyMap<string, readonly Observation[]>, services: RecorderServices): Promise<void> {
  await transaction(services.pool, async (client) => {
    const { rows } = await client.query<LockedEndpoint>(lockStatement, [[...seen.keys()]]);
    const changes = rows.map((endpoint) => changeOf(endpoint, seen.get(endpoint.id) ?? []));
    await client.query(writeStatement, [
      JSON.stringify(changes.map(({ endpoint, circuit, disable }) => ({ ...circuit, id: endpoint.id, disable }))),
    ]);
    const disabled = changes.filter(({ disable }) => disable !== null).map(({ endpoint }) => endpoint.id);
    if (disabled.length > 0) await client.query(holdStatement, [disabled]);
    for (const event of changes.flatMap((change) => change.events)) await notify(client, event, services);
  });
}

/** An owner who cannot be told must not keep a dead endpoint on, nor undo what is written about the others. */
async function notify(
  client: PoolClient,
  event: EndpointEvent,
  { notifyOwner, logger }: RecorderServices,
): Promise<void> {
  await client.query('SAVEPOINT notify_owner');
  try {
    await notifyOwner(client, event);
    await client.query('RELEASE SAVEPOINT notify_owner');
  } catch (error) {
    await client.query('ROLLBACK TO SAVEPOINT notify_owner');
    const { endpointId, kind } = event;
    logger.error({ endpointId, kind, error: codeOf(error) }, 'cannot tell the owner of an endpoint');
  }
}

function changeOf(endpoint: LockedEndpoint, observations: readonly Observation[]): Change {
  let circuit: Circuit = endpoint;
  let disable: DisabledReason | null = null;
  const events: EndpointEvent[] = [];
  const add = (kind: EndpointEvent['kind'], reason: DisabledReason | null) => {
    const { id, name, tenant, recipientId } = endpoint;
    const { failingSince, failures } = circuit;
    events.push({ kind, endpointId: id, name, tenant, recipientId, reason, failingSince, failures });
  };
  for (const observation of observations) {
    const next = observe(circuit, observation, endpoint.now);
    circuit = next.circuit;
    if (next.event !== null) add(next.event, null);
    if (next.disable !== null && disable === null && endpoint.disabledAt === null) {
      disable = next.disable;
      add('disabled', disable);
    }
  }
  return { endpoint, circuit, disable, events };
}
