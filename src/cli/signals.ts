/**
 * Resolves at the first SIGTERM, SIGINT or SIGHUP, so that the caller can stop cleanly. The second one ends the process
 * with exit code 130.
 */
export function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (stopping) process.exit(130);
        stopping = true;
        resolve();
      });
  });
}
