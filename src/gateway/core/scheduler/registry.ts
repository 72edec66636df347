// Things by id that come and go with every request. Never a Map of the things themselves: a Map that grows and shrinks leaves
// old tables behind, each of which keeps what was in it alive until the next full collection.

export class Registry<T> {
  /** Only numbers hang on the old tables of this one. */
  readonly #places = new Map<string, number>();
  readonly #ids: string[] = [];
  readonly #things: T[] = [];

  get size(): number {
    return this.#things.length;
  }

  get(id: string): T | undefined {
    const place = this.#places.get(id);
    return place === undefined ? undefined : this.#things[place];
  }

  has(id: string): boolean {
    return this.#places.has(id);
  }

  set(id: string, thing: T): void {
    const place = this.#places.get(id);
    if (place !== undefined) {
      this.#things[place] = thing;
      return;
    }
    this.#places.set(id, this.#things.length);
    this.#ids.push(id);
    this.#things.push(thing);
  }

  delete(id: string): boolean {
    const place = this.#places.get(id);
    if (place === undefined) return false;
    this.#places.delete(id);
    const lastId = this.#ids.pop();
    const last = this.#things.pop();
    if (lastId !== undefined && last !== undefined && lastId !== id) {
      this.#ids[place] = lastId;
      this.#things[place] = last;
      this.#places.set(lastId, place);
    }
    return true;
  }

  /** In no order that means anything; not to be kept. */
  values(): readonly T[] {
    return this.#things;
  }

  clear(): void {
    this.#places.clear();
    this.#ids.length = 0;
    this.#things.length = 0;
  }
}
