/** Rows that are measured together, because they share databases, programs or contenders. */
import type { Metric } from '../rows.ts';
import type { Setting } from '../setting.ts';

export interface Group {
  readonly rows: readonly string[];
  /** Measures those of its rows that are wanted. */
  run(setting: Setting, wanted: ReadonlySet<string>): Promise<Metric[]>;
}
