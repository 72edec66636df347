// Several servers do one change; their progress lines become one list, in the order in which Ollama tells such things.
// Never says `success`: that is for who knows what all of them came to.
//
// A status is told when every server that still works has come as far: nobody reads "verifying" while a layer is loading.
// A layer's `completed` is the least over these servers. The list holds the latest state only, so that a reader who joins
// late or reads slowly gets what is true now, never a backlog.

export interface ProgressLine {
  readonly status: string;
  readonly digest?: string;
  readonly total?: number;
  readonly completed?: number;
}

/** The stages of one kind of change. */
export interface Stages {
  /** How far a server is that says this; undefined = no further than it was. */
  rankOf(line: ProgressLine): number | undefined;
  /** A server of this rank has all its layers, whatever it said last about them. */
  readonly layersDoneFrom: number;
}

const PULL_RANKS: readonly (readonly [RegExp, number])[] = [
  [/^pulling manifest/, 0],
  [/^verifying/, 2],
  [/^writing manifest/, 3],
  [/^(removing|couldn't remove)/, 4],
  [/^success$/, 5],
];
const CREATE_RANKS: readonly (readonly [RegExp, number])[] = [
  [/^writing manifest/, 1],
  [/^success$/, 2],
];

export const PULL_STAGES: Stages = {
  rankOf: line => (line.digest === undefined ? rankIn(PULL_RANKS, line.status) : 1),
  layersDoneFrom: 2,
};
export const CREATE_STAGES: Stages = { rankOf: line => rankIn(CREATE_RANKS, line.status), layersDoneFrom: 1 };
/** One server only: everything is told as it comes. */
export const PUSH_STAGES: Stages = { rankOf: () => 0, layersDoneFrom: 1 };

function rankIn(ranks: readonly (readonly [RegExp, number])[], status: string): number | undefined {
  return ranks.find(([pattern]) => pattern.test(status))?.[1];
}

interface Member {
  rank: number;
  readonly completed: Map<string, number>;
}

interface Item {
  readonly status: string;
  readonly digest?: string;
  total: number;
  completed: number;
  /** Grows with each change of the item. */
  version: number;
}

interface Waiting {
  readonly status: string;
  readonly rank: number;
}

const layersMax = 4096;
const statusesMax = 1024;

export class Progress {
  readonly #stages: Stages;
  readonly #members = new Map<string, Member>();
  readonly #items: Item[] = [];
  readonly #layers = new Map<string, Item>();
  readonly #statuses = new Set<string>();
  #waiting: Waiting[] = [];
  #version = 0;

  constructor(stages: Stages, members: readonly string[]) {
    this.#stages = stages;
    for (const name of members) this.#members.set(name, { rank: 0, completed: new Map() });
  }

  /** Changes whenever there is something new to tell. */
  get version(): number {
    return this.#version;
  }

  push(name: string, line: ProgressLine): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    const before = member.rank;
    member.rank = Math.max(member.rank, this.#stages.rankOf(line) ?? member.rank);
    if (line.digest !== undefined) this.#pushLayer(member, line.digest, line);
    else if (line.status !== 'success') this.#pushStatus(line.status, member.rank);
    if (member.rank !== before) this.#recount();
    this.#tellReached();
  }

  /** It did not come through: the others no longer wait for it. */
  drop(name: string): void {
    if (!this.#members.delete(name) || this.#members.size === 0) return;
    this.#recount();
    this.#tellReached();
  }

  /** A status of our own, told at once. */
  note(status: string): void {
    this.#append({ status, total: 0, completed: 0 });
  }

  /** What changed after `version`, in the order to be told. */
  since(version: number): ProgressLine[] {
    return this.#items.filter(item => item.version > version).map(lineOf);
  }

  #pushLayer(member: Member, digest: string, line: ProgressLine): void {
    member.completed.set(digest, line.completed ?? 0);
    const layer = this.#layers.get(digest) ?? this.#newLayer(digest, line.status);
    if (layer === undefined) return;
    this.#update(layer, Math.max(layer.total, line.total ?? 0), digest);
  }

  #newLayer(digest: string, status: string): Item | undefined {
    if (this.#layers.size >= layersMax) return undefined;
    const item = this.#append({ status, digest, total: 0, completed: 0 });
    this.#layers.set(digest, item);
    return item;
  }

  #pushStatus(status: string, rank: number): void {
    if (this.#statuses.has(status) || this.#statuses.size >= statusesMax) return;
    this.#statuses.add(status);
    this.#waiting.push({ status, rank });
  }

  #tellReached(): void {
    const least = Math.min(...[...this.#members.values()].map(member => member.rank));
    const reached = this.#waiting.filter(({ rank }) => rank <= least).toSorted((a, b) => a.rank - b.rank);
    if (reached.length === 0) return;
    this.#waiting = this.#waiting.filter(({ rank }) => rank > least);
    for (const { status } of reached) this.note(status);
  }

  #recount(): void {
    for (const [digest, layer] of this.#layers) this.#update(layer, layer.total, digest);
  }

  #update(layer: Item, total: number, digest: string): void {
    const completed = Math.min(
      ...[...this.#members.values()].map(member => this.#completedOf(member, digest, total)),
    );
    if (layer.total === total && layer.completed === completed) return;
    layer.total = total;
    layer.completed = completed;
    layer.version = ++this.#version;
  }

  #completedOf(member: Member, digest: string, total: number): number {
    if (member.rank >= this.#stages.layersDoneFrom) return total;
    return Math.min(member.completed.get(digest) ?? 0, total);
  }

  #append(item: Omit<Item, 'version'>): Item {
    const made = { ...item, version: ++this.#version };
    this.#items.push(made);
    return made;
  }
}

// Go leaves zeros out (omitempty), and clients are used to it.
function lineOf({ status, digest, total, completed }: Item): ProgressLine {
  return {
    status,
    ...(digest === undefined ? {} : { digest }),
    ...(total === 0 ? {} : { total }),
    ...(completed === 0 ? {} : { completed }),
  };
}
