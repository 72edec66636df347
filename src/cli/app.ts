// What every command is given: the environment, the terminal, and the components that main starts for it. Never global state.
import type { Terminal } from '../platform/terminal.ts';
import type { Components } from './components.ts';
import type { Environment } from './core/env-layer.ts';

export interface App {
  readonly env: Environment;
  readonly cwd: string;
  /** What Node was started with: child processes of ours are started with it too. */
  readonly mainFile: string;
  readonly terminal: Terminal;
  readonly components: Components;
  /** Aborted by Ctrl-C; commands that are servers set their own handlers instead of reading it. */
  interrupted(): AbortSignal;
}
