/** What a result means beyond its message: a bad address is counted, and a method at fault is paused or resumes. */
import type { DispatchResult, FailedDispatch } from '../dispatch/dispatcher.ts';
import { pauseForFault, resumeAfterProbe } from '../dispatch/fault-pause.ts';
import { countAddressFault } from '../operate/suppressions.ts';
import type { Attempt } from './attempt.ts';
import type { DeliveryServices, MethodPause } from './services.ts';

/** @param onEnd called when messages may be leased again */
export function createMethodPause(onEnd: () => void): MethodPause {
  let since: number | null = null;
  return {
    get since() {
      return since;
    },
    begin() {
      since ??= performance.now();
    },
    end() {
      since = null;
      onEnd();
    },
  };
}

/** The result, if it says that the method itself is at fault. */
export function methodFaultOf(result: DispatchResult): FailedDispatch | null {
  return result.outcome === 'retry' && result.pauseMethod === true ? result : null;
}

/** Whether a result may mean anything beyond its message: most do not, and are then spared the promise. */
export function mayReact(result: DispatchResult, { pause }: Pick<DeliveryServices, 'pause'>): boolean {
  return result.outcome !== 'sent' || pause.since !== null;
}

/** Never rejects: what cannot be recorded now is recorded after the next result of the same kind. */
export async function react(
  result: DispatchResult,
  { message, startedAt }: Attempt,
  services: DeliveryServices,
): Promise<void> {
  const { method, database, errors } = services;
  const address = message.recipient.email;
  try {
    if (result.outcome === 'failed' && result.addressFault && address !== undefined)
      await countAddressFault(database.pool, { method, address, reason: result.reason, messageId: message.id });
    const fault = methodFaultOf(result);
    if (fault !== null) await pauseMethod(fault, services);
    else if (!(result.outcome === 'retry' && result.countAttempt === false)) await endPause(startedAt, services);
  } catch (error) {
    errors.report(error, 'cannot record the state of the method', { method });
  }
}

async function pauseMethod(fault: FailedDispatch, services: DeliveryServices): Promise<void> {
  const { method, worker, database, logger } = services;
  const { reason, detail, retryAfterSeconds = 0, probeAfterSeconds: atLeastSeconds = retryAfterSeconds } = fault;
  services.pause.begin();
  const paused = await pauseForFault(database.pool, { method }, { worker, reason, detail, atLeastSeconds });
  if (paused?.fresh)
    logger.error(
      { method, reason, detail },
      'method paused after a fault of its own; it is probed and resumes automatically',
    );
}

/** Only an attempt that started after the pause can show that the method works again. */
async function endPause(startedAt: number, { method, database, logger, pause }: DeliveryServices): Promise<void> {
  if (pause.since === null || startedAt <= pause.since) return;
  if (!(await resumeAfterProbe(database.pool, { method }))) return;
  logger.info({ method }, 'method resumed: the probe got through');
  pause.end();
}
