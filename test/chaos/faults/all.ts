/** Every kind of fault. */
import {
  crashDatabase,
  deadlocks,
  diskFull,
  eatConnections,
  lockMessages,
  restartDatabase,
  serializable,
  terminateBackends,
} from './database.ts';
import { killEnqueuer } from './enqueuers.ts';
import type { Fault } from './fault.ts';
import {
  cutDatabase,
  databaseAway,
  dropAnswers,
  halfOpenDatabase,
  halfOpenReceivers,
  slowDatabase,
} from './network.ts';
import { crashReceivers, hangingReceivers, slowReceivers } from './receivers.ts';
import { killWorker, restartWorker, stopWorker, wrongClock } from './workers.ts';

export const faults: readonly Fault[] = [
  killWorker,
  stopWorker,
  restartWorker,
  wrongClock,
  killEnqueuer,
  restartDatabase,
  crashDatabase,
  terminateBackends,
  eatConnections,
  lockMessages,
  deadlocks,
  serializable,
  diskFull,
  cutDatabase,
  slowDatabase,
  halfOpenDatabase,
  databaseAway,
  dropAnswers,
  halfOpenReceivers,
  slowReceivers,
  hangingReceivers,
  crashReceivers,
];
