/** Whether a worker leaks, from what it reported about itself. Pure. */
import type { Vitals } from '../support/vitals.ts';
import type { Bound } from './bounds.ts';

/** What a worker holds while it has nothing to do. */
export interface Rest {
  readonly resources: Readonly<Record<string, number>>;
  readonly listeners: number;
  readonly warnings: readonly string[];
  /** Connections to the database. */
  readonly connections: number;
}

export interface SoakReport {
  readonly slopeMbPerHour: number;
  readonly samples: number;
  readonly firstMb: number;
  readonly lastMb: number;
  /** Growth of the smallest heap seen in the last quarter over that of the first: garbage left out. */
  readonly heapFloorGrowthMb: number;
  readonly bounds: readonly Bound[];
}

/** While code is compiled and pools grow, memory grows, too: this share of the time is left out. */
const warmUp = 0.2;
/** Growth of memory over the rest of the run that counts as flat, in MB. */
const flatMb = 12;

export function judge(soak: {
  readonly before: Rest;
  readonly after: Rest;
  readonly during: readonly Vitals[];
  readonly unsent: number;
}): SoakReport {
  const { before, after, during, unsent } = soak;
  const warm = during.slice(Math.floor(during.length * warmUp));
  const points = warm.map(({ at, rssMb }) => ({ x: at / 3_600_000, y: rssMb }));
  const slope = slopeOf(points);
  const hours = ((warm.at(-1)?.at ?? 0) - (warm[0]?.at ?? 0)) / 3_600_000;
  const floor = (samples: readonly Vitals[]) => Math.min(...samples.map(({ heapMb }) => heapMb));
  const quarter = Math.ceil(warm.length / 4);
  const heapFloorGrowthMb = rounded(floor(warm.slice(-quarter)) - floor(warm.slice(0, quarter)));
  const bound = (name: string, measured: number, most: number): Bound => ({
    name,
    measured,
    most,
    holds: measured <= most,
  });
  const timers = ({ resources }: Rest) => resources['Timeout'] ?? 0;
  const sockets = ({ resources }: Rest) => resources['TCPSocketWrap'] ?? 0;
  return {
    slopeMbPerHour: rounded(slope),
    samples: warm.length,
    firstMb: warm[0]?.rssMb ?? 0,
    lastMb: warm.at(-1)?.rssMb ?? 0,
    heapFloorGrowthMb,
    bounds: [
      bound('messages not sent', unsent, 0),
      bound(`MB of growth in ${rounded(hours * 60)} minutes, by the slope`, rounded(slope * hours), flatMb),
      bound('MB of growth of the heap without garbage', heapFloorGrowthMb, flatMb),
      bound('timers at rest', timers(after), timers(before) + 2),
      bound('sockets at rest', sockets(after), sockets(before)),
      bound('connections to the database at rest', after.connections, before.connections),
      bound('listeners on the process', after.listeners, before.listeners),
      bound('warnings of leaking listeners', after.warnings.length, 0),
    ],
  };
}

/** Least squares. */
export function slopeOf(points: readonly { readonly x: number; readonly y: number }[]): number {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const x = mean(points.map((point) => point.x));
  const y = mean(points.map((point) => point.y));
  const spread = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  return spread === 0 ? 0 : points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread;
}

const rounded = (value: number) => Math.round(value * 10) / 10;
