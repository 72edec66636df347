// Things that come and go with every request and know their own place, so that they leave without a search.
// Never a Set: one that grows and shrinks leaves old tables behind, each of which keeps what was in it alive until the next full collection.

export interface Seated {
  /** The roster's own; -1 = in none. A thing can be in one roster at a time. */
  seat: number;
}

export class Roster<T extends Seated> {
  private readonly members: T[] = [];

  get size(): number {
    return this.members.length;
  }

  add(member: T): void {
    if (this.has(member)) return;
    member.seat = this.members.length;
    this.members.push(member);
  }

  delete(member: T): void {
    if (!this.has(member)) return;
    const last = this.members.pop();
    if (last !== undefined && last !== member) {
      this.members[member.seat] = last;
      last.seat = member.seat;
    }
    member.seat = -1;
  }

  /** As they are now: whoever is asked may leave. */
  all(): T[] {
    return [...this.members];
  }

  private has(member: T): boolean {
    return this.members[member.seat] === member;
  }
}
