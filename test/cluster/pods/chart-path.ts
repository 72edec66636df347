// What the documents tell people to type, read from them and typed: by a real shell, inside the namespace of a test's node.
// Never changes a command but for the words that a test says it must, such as the name of a model.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { find } from '../../tools/parts.ts';
import type { RunningNode } from '../tools/node.ts';

const root = path.resolve(import.meta.dirname, '..', '..', '..');
const commandMsMax = 300_000;

/** The commands of the first shell block below a heading of a document, each with its here-document. */
export function commandsOf(document: string, heading: string): readonly string[] {
  const text = readFileSync(path.join(root, document), 'utf8');
  const [, section = ''] = text.split(`\n${heading}\n`);
  const [, block] = /^```sh\n([^]*?)^```$/m.exec(section.split(/^## /m)[0] ?? '') ?? [];
  if (block === undefined) throw new Error(`${document} has no commands under "${heading}".`);
  const commands: string[] = [];
  let endsWith: string | undefined;
  for (const line of block.split('\n')) {
    if (endsWith !== undefined) {
      commands.push(`${commands.pop() ?? ''}\n${line}`);
      if (line === endsWith) endsWith = undefined;
    } else if (line.trim() !== '' && !line.startsWith('#')) {
      commands.push(line);
      endsWith = /<<(\w+)$/.exec(line)?.[1];
    }
  }
  return commands;
}

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** When the first of its output came. */
  readonly firstMs: number;
}

interface Programs {
  readonly helm: string;
  readonly kubectl: string;
}

/** As somebody who sits at a machine of the cluster: its network is this one's, so ports of 127.0.0.1 are nobody else's. */
export class Shell {
  readonly #node: RunningNode;
  readonly #programs: Programs;
  readonly #env: NodeJS.ProcessEnv;

  constructor(node: RunningNode, programs: Programs) {
    const folders = Object.values<string>({ ...programs }).map(file => path.dirname(file));
    this.#node = node;
    this.#programs = programs;
    this.#env = {
      PATH: [...folders, process.env['PATH']].join(path.delimiter),
      KUBECONFIG: node.plane.adminKubeconfig,
      HOME: path.join(node.plane.folder, 'home'),
    };
  }

  static async of(node: RunningNode): Promise<Shell> {
    const [helm, kubectl] = await Promise.all([find('helm'), find('kubectl')]);
    return new Shell(node, { helm: helm ?? 'helm', kubectl: kubectl ?? 'kubectl' });
  }

  /** Resolves when the command has ended, or was put into the background. */
  async type(command: string): Promise<Said> {
    // What stays behind must not hold the output open; who enters a mount namespace stands at its root.
    const script = `cd '${root}'\n${command.replace(/ &$/, ' >/dev/null 2>&1 &')}`;
    const [program, ...args] = [...this.#node.place.within, 'bash', '-c', script];
    const fromMs = Date.now();
    const child = spawn(program, args, {
      env: this.#env,
      timeout: commandMsMax,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let firstMs: number | undefined;
    const said = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      firstMs ??= Date.now() - fromMs;
      said.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
    const code = await new Promise<number>(resolve =>
      child.once('error', () => resolve(127)).once('close', ended => resolve(ended ?? 1)),
    );
    return { code, ...said, firstMs: firstMs ?? Date.now() - fromMs };
  }

  /** Helm alone, to be killed by its own process id. */
  startHelm(...args: readonly string[]): ChildProcess {
    return spawn(this.#programs.helm, args, {
      cwd: root,
      env: this.#env,
      timeout: commandMsMax,
      stdio: 'ignore',
    });
  }
}
