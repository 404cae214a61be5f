/** What a process holds: memory, and everything that could leak. For soaks. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Vitals {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly rssMb: number;
  readonly heapMb: number;
  /** What V8 has taken from the system for its heap, garbage and free pages included. */
  readonly heapTotalMb: number;
  /** Buffers and other memory outside of the heap that objects in it hold. */
  readonly externalMb: number;
  /** Node's list of what keeps the event loop alive, by kind: timers, sockets, requests. */
  readonly resources: Readonly<Record<string, number>>;
  /** Listeners on the process itself. */
  readonly listeners: number;
  /** Warnings since the start, for example of an emitter with too many listeners. */
  readonly warnings: readonly string[];
  /** Longest delay of the event loop since the last report, in milliseconds. */
  readonly loopDelayMs: number;
}

/** Writes a line `vitals {...}` to standard output every so many seconds, and does not keep the process alive. */
export function reportVitals(seconds: number): void {
  const warnings: string[] = [];
  process.on('warning', (warning) => warnings.push(warning.name));
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  setInterval(() => {
    process.stdout.write(`vitals ${JSON.stringify(vitalsNow(warnings, delay.max / 1e6))}\n`);
    delay.reset();
  }, seconds * 1000).unref();
}

function vitalsNow(warnings: readonly string[], loopDelayMs: number): Vitals {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
  const mb = (bytes: number) => Math.round(bytes / 10_485.76) / 100;
  const memory = { rssMb: mb(rss), heapMb: mb(heapUsed), heapTotalMb: mb(heapTotal), externalMb: mb(external) };
  return { at: Date.now(), ...memory, resources, listeners, warnings, loopDelayMs };
}
