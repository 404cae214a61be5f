import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** `vitest run` is the ordinary suite; `--mode faults`, `--mode chaos`, `--mode plans` and `--mode setups` run the long ones. */
const longSuites = ['faults', 'chaos', 'plans', 'setups'];
/** Browsers, and processes that are killed or wait for minutes: `--mode slow`. Without them the ordinary suite takes under 8 minutes. */
const slowFiles = [
  'test/**/browser.test.ts',
  'test/delivery/{processes,readiness}.test.ts',
  'test/dispatch/**/evidence.test.ts',
  'test/dispatch/smtp/failover.test.ts',
];

export default defineConfig(({ mode }) => ({
  test: {
    include:
      mode === 'slow' ? slowFiles : [longSuites.includes(mode) ? `test/${mode}/**/*.test.ts` : 'test/**/*.test.ts'],
    exclude: [
      ...longSuites.filter((suite) => suite !== mode).map((suite) => `test/${suite}/**`),
      ...(mode === 'slow' ? [] : slowFiles),
    ],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // All cores, where vitest leaves one idle: tests wait more than they compute. Plans and the chaos crew measure, alone.
    maxWorkers: ['chaos', 'plans', 'setups'].includes(mode) ? 1 : availableParallelism(),
    // Programs of ours are started hundreds of times: with it they need two thirds of the processor's time.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/compile', import.meta.url)) },
    // CI names a test that fails once and then passes, and goes on: one of five thousand must not hide what the others say.
    retry: process.env['CI'] ? 1 : 0,
    testTimeout: longSuites.includes(mode) ? 300_000 : 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
}));
