/**
 * One delivery, step by step. A batch of leased jobs: admit -> begin. Each message whose attempt is open: render ->
 * dispatch -> decide -> settle -> react.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { admit } from './admit.ts';
import { type Begun, begin } from './begin.ts';
import { decide } from './decide.ts';
import { dispatch, render } from './prepare.ts';
import { mayReact, react } from './react.ts';
import { settle } from './settle.ts';
import type { DispatchResult } from '../dispatch/dispatcher.ts';
import type { Attempt } from './attempt.ts';
import type { Batch, DeliveryServices } from './services.ts';

/** How a batch is delivered. */
export interface BatchOptions {
  /** Nothing else is in flight in this worker. */
  readonly isolated: boolean;
}

/** A batch whose delivery has begun. */
export interface DeliveredBatch {
  /** Resolves when every attempt that was opened has ended. */
  readonly ended: Promise<void>;
  /** Jobs whose messages may only be delivered in isolation. */
  readonly toIsolate: Begun['toIsolate'];
}

/** Resolves once the attempts are open; they then finish on their own. Rejects if the database is unavailable. */
export async function deliverBatch(
  batch: Batch,
  options: BatchOptions,
  services: DeliveryServices,
): Promise<DeliveredBatch> {
  const admitted = await admit(batch, services);
  const begun = await begin(admitted, options, services);
  // The next batch can be leased before the rendering of this one holds the event loop.
  const turn = nextTurn();
  const ended = begun.open.map((open) => services.inFlight.run(open, (attempt) => deliver(attempt, turn, services)));
  await Promise.all([services.queue.remove(services.method, begun.settled), services.requeue(begun.notDue)]);
  return { ended: Promise.all(ended).then(() => undefined), toIsolate: begun.toIsolate };
}

/** Never rejects: failure is a value. */
async function deliver(attempt: Attempt, turn: Promise<void>, services: DeliveryServices): Promise<void> {
  const { guards } = services;
  if (!guards.concern(attempt.message)) await turn;
  else if (!(await guards.mayGo(attempt))) return;
  const result = await send(attempt, services);
  attempt.dispatched(result);
  const decision = decide(result, attempt.message, services);
  await settle({ attempt, result, decision }, services);
  if (mayReact(result, services)) await react(result, attempt, services);
}

function send(attempt: Attempt, services: DeliveryServices): Promise<DispatchResult> {
  const bytes = services.dispatcher.takesAttachments ? attempt.message.fileBytes : 0;
  return bytes === 0 ? renderAndDispatch(attempt, services) : sendWithFiles(bytes, attempt, services);
}

/** Its files are in memory from rendering until the dispatch has ended. */
async function sendWithFiles(bytes: number, attempt: Attempt, services: DeliveryServices): Promise<DispatchResult> {
  const release = await services.files.take(bytes, attempt.signal);
  if (release === null) return stoppedWaiting;
  const result = await renderAndDispatch(attempt, services);
  release();
  return result;
}

async function renderAndDispatch(attempt: Attempt, services: DeliveryServices): Promise<DispatchResult> {
  const rendered = await render(attempt, services);
  return dispatch(rendered, attempt, services);
}

const stoppedWaiting: DispatchResult = {
  outcome: 'retry',
  reason: 'shutdown',
  detail: 'stopped before there was room for its files',
  countAttempt: false,
};
