// The table of test suites, in the order in which they run. Never holds how they are run: that is run-suite.ts.
import { controlPlaneParts, nodeParts, type PartName } from '../../test/tools/parts.ts';

export interface Suite {
  readonly name: string;
  readonly about: string;
  /** Test files; empty for `check`, which is a program of its own. */
  readonly files: readonly string[];
  /** Real parts its tests use; each test skips by itself when its part is missing. */
  readonly needs: readonly PartName[];
  readonly budgetSeconds: number;
  /** Files at once. Suites that watch time or start engines run alone on the two cores that a test machine has. */
  readonly filesAtOnce: number;
  readonly testSecondsMax: number;
  /** True where what the tests print is a result, such as the cases that ran per implementation. */
  readonly showsOutput: boolean;
}

export const suites: readonly Suite[] = [
  {
    name: 'check',
    about: 'types, lint, format, unused code, imports, purity, sizes, documents',
    files: [],
    needs: [],
    budgetSeconds: 60,
    filesAtOnce: 1,
    testSecondsMax: 60,
    showsOutput: false,
  },
  {
    name: 'unit',
    about: 'every part by itself; tests lie beside the code',
    files: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'bench/**/*.test.ts', 'test/golden/**/*.test.ts'],
    needs: [],
    budgetSeconds: 90,
    filesAtOnce: 2,
    testSecondsMax: 60,
    showsOutput: false,
  },
  {
    name: 'sim',
    about: 'the real scheduler under simulated days, with seeds',
    files: ['test/sim/**/*.test.ts'],
    needs: [],
    budgetSeconds: 180,
    filesAtOnce: 2,
    testSecondsMax: 300,
    showsOutput: false,
  },
  {
    name: 'tools',
    about: 'the helpers of the tests: fakes, registry, real Ollama',
    files: ['test/tools/**/*.test.ts', 'test/fakes/**/*.test.ts'],
    needs: ['ollama', 'smollm2'],
    budgetSeconds: 90,
    filesAtOnce: 2,
    testSecondsMax: 120,
    showsOutput: false,
  },
  {
    name: 'engine',
    about: 'the embedded engine as a process, with a real model',
    files: ['test/engine/**/*.test.ts'],
    needs: ['smollm2', 'llama'],
    budgetSeconds: 180,
    filesAtOnce: 1,
    testSecondsMax: 120,
    showsOutput: false,
  },
  {
    name: 'gateway',
    about: 'the rules of carrying bytes, through real sockets',
    files: ['test/gateway/**/*.test.ts'],
    needs: [],
    budgetSeconds: 120,
    filesAtOnce: 2,
    testSecondsMax: 60,
    showsOutput: false,
  },
  {
    name: 'cli',
    about: 'the commands, run as programs',
    files: ['test/cli/**/*.test.ts'],
    needs: [],
    budgetSeconds: 120,
    filesAtOnce: 2,
    testSecondsMax: 60,
    showsOutput: false,
  },
  {
    name: 'manager',
    about: 'the Model Manager’s API over HTTP, in front of a gateway',
    files: ['test/manager/**/*.test.ts'],
    needs: [],
    budgetSeconds: 60,
    filesAtOnce: 2,
    testSecondsMax: 60,
    showsOutput: false,
  },
  {
    name: 'contract',
    about: 'one set of rules for every implementation, driven by the vendors’ clients',
    files: ['test/contract/**/*.test.ts'],
    needs: ['ollama', 'smollm2', 'llama'],
    budgetSeconds: 420,
    filesAtOnce: 1,
    testSecondsMax: 180,
    showsOutput: true,
  },
  {
    name: 'fault',
    about: 'killed, frozen and lying backends; clients that leave; full disks and queues',
    files: ['test/fault/**/*.test.ts'],
    needs: ['ollama', 'smollm2', 'llama'],
    budgetSeconds: 300,
    filesAtOnce: 1,
    testSecondsMax: 120,
    showsOutput: false,
  },
  {
    name: 'fuzz',
    about: 'malformed HTTP, broken bodies, streams cut anywhere',
    files: ['test/fuzz/**/*.test.ts'],
    needs: [],
    budgetSeconds: 240,
    filesAtOnce: 2,
    testSecondsMax: 180,
    showsOutput: false,
  },
  {
    name: 'agent',
    about: 'what lives beside each Ollama of a cluster: pulls, repairs, drains; the gateway in front of pods',
    files: ['test/agent/**/*.test.ts'],
    needs: ['ollama', 'smollm2'],
    budgetSeconds: 180,
    filesAtOnce: 1,
    testSecondsMax: 90,
    showsOutput: false,
  },
  {
    name: 'cluster',
    about: 'a real Kubernetes API server with its controllers; pods are objects only',
    files: ['test/cluster/*.test.ts', 'test/cluster/!(pods)/**/*.test.ts'],
    needs: [...controlPlaneParts, 'kubectl'],
    budgetSeconds: 300,
    filesAtOnce: 2,
    testSecondsMax: 180,
    showsOutput: false,
  },
  {
    name: 'node',
    about: 'a whole Kubernetes node in namespaces of its own, on which pods really run',
    files: ['test/cluster/pods/**/*.test.ts'],
    needs: [...controlPlaneParts, ...nodeParts, 'kubectl'],
    budgetSeconds: 300,
    filesAtOnce: 1,
    testSecondsMax: 240,
    showsOutput: false,
  },
  {
    name: 'e2e',
    about: 'the whole program as a person starts it',
    files: ['test/e2e/*.test.ts'],
    needs: ['ollama', 'smollm2', 'llama'],
    budgetSeconds: 420,
    filesAtOnce: 1,
    testSecondsMax: 240,
    showsOutput: false,
  },
  {
    name: 'ui',
    about: 'the web page in a real browser; its pictures are in test-results/ui',
    files: ['test/e2e/ui/**/*.test.ts'],
    needs: ['chromium', 'ollama'],
    budgetSeconds: 180,
    filesAtOnce: 1,
    testSecondsMax: 120,
    showsOutput: false,
  },
];
