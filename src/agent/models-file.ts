// The mounted file of models: read when it changes, kept when what comes is wrong. Never watches by events: a kubelet swaps symbolic links.
import { stat } from 'node:fs/promises';
import { modelsFileSchema, type ModelsFile } from '../api/cluster-files.ts';
import { readConfigFile } from '../platform/config-file.ts';

export interface ModelsFileState {
  /** The last good one; undefined = there was none yet. */
  readonly file: ModelsFile | undefined;
  /** What is wrong with the one that lies there now. */
  readonly error: string | undefined;
}

const issuesShownMax = 5;

export class WatchedModelsFile {
  readonly #path: string;
  #seen: string | undefined;
  #state: ModelsFileState = { file: undefined, error: undefined };

  constructor(path: string) {
    this.#path = path;
  }

  get state(): ModelsFileState {
    return this.#state;
  }

  /** True when something has changed since the last call. */
  async look(): Promise<boolean> {
    // Follows the links, so that another target is another inode.
    const found = await stat(this.#path).catch(() => undefined);
    const mark = found === undefined ? 'absent' : `${found.ino}:${found.mtimeMs}:${found.size}`;
    if (mark === this.#seen) return false;
    this.#seen = mark;
    const read = this.#read();
    this.#state =
      typeof read === 'string' ? { file: this.#state.file, error: read } : { file: read, error: undefined };
    return true;
  }

  #read(): ModelsFile | string {
    try {
      const checked = modelsFileSchema.safeParse(readConfigFile(this.#path).value);
      if (checked.success) return checked.data;
      const issues = checked.error.issues.slice(0, issuesShownMax);
      return `${this.#path}: ${issues.map(issue => `${issue.path.join('.')} ${issue.message}`).join('; ')}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}
