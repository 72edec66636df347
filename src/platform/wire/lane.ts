// The short way for plain requests: a client connection whose requests come whole, one after the other, for known paths.
// Never reads anything unusual: at the first sign of it the connection, with every byte of it, goes to node:http for good.
import type { Socket } from 'node:net';
import { LaneCall } from './lane-call.ts';
import type { CallOwner } from './lane-call.ts';
import { readRequestHead } from './request-head.ts';
import type { RequestHead } from './request-head.ts';

export interface LaneOwner {
  /** METHOD and path with a space between, of the requests that may be taken here. */
  readonly laneServes: ReadonlySet<string>;
  onCall(call: LaneCall): void;
  /** node:http reads the connection from here on, beginning with these bytes. */
  onUnusual(lane: Lane, bytes: Buffer): void;
  onLaneClosed(lane: Lane): void;
}

const headBytesMax = 8 * 1024;
/** A larger body is received, counted and timed piece by piece elsewhere. */
const bodyBytesMax = 64 * 1024;
/** What a client may send ahead before it is read no further. */
const aheadBytesMax = 64 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);

export class Lane implements CallOwner {
  readonly socket: Socket;
  /** Since its last request, or since it was opened. */
  sinceMs = performance.now();
  /** Requests that were answered. */
  served = 0;
  private readonly owner: LaneOwner;
  private call: LaneCall | undefined;
  /** A request that has not fully arrived, or what came after one that is being answered. */
  private held: Buffer[] = [];
  private heldBytes = 0;
  private head: RequestHead | undefined;
  private bodyStart = 0;

  constructor(owner: LaneOwner, socket: Socket) {
    this.owner = owner;
    this.socket = socket;
    socket.on('data', this.onData);
    socket.on('end', this.onEnd);
    socket.on('drain', this.onDrain);
    socket.on('error', ignore);
    socket.on('close', this.onClose);
  }

  get idle(): boolean {
    return this.call === undefined && this.heldBytes === 0;
  }

  /** A request began to come and is not here yet. */
  get receiving(): boolean {
    return this.call === undefined && this.heldBytes > 0;
  }

  /** The lane ends, the connection goes on. Gives the bytes that nobody has read yet. */
  leave(): Buffer {
    const { socket } = this;
    socket.off('data', this.onData);
    socket.off('end', this.onEnd);
    socket.off('drain', this.onDrain);
    socket.off('error', ignore);
    socket.off('close', this.onClose);
    return this.takeHeld();
  }

  onAnswered(closes: boolean): void {
    this.call = undefined;
    this.served += 1;
    this.sinceMs = performance.now();
    if (closes) this.socket.destroySoon();
    else if (this.heldBytes > 0) this.goElsewhere();
  }

  private readonly onData = (piece: Buffer): void => {
    this.held.push(piece);
    this.heldBytes += piece.length;
    if (this.call === undefined) this.look();
    else if (this.heldBytes > aheadBytesMax) this.socket.pause();
  };

  private look(): void {
    if (this.head === undefined && !this.begin()) {
      this.goElsewhere();
      return;
    }
    const missing = this.bodyStart + (this.head?.bodyBytes ?? 0) - this.heldBytes;
    // Its time counts from its first byte: a piece now and then buys no more of it.
    if (missing > 0 && this.held.length === 1) this.sinceMs = performance.now();
    if (missing === 0) this.take();
    // Whoever sends the next request without waiting wants more than one at a time.
    if (missing < 0) this.goElsewhere();
  }

  /** False = this is not plain. */
  private begin(): boolean {
    const [piece = NOTHING] = this.held;
    const end = piece.indexOf(HEAD_END);
    if (end < 0 || end > headBytesMax) return false;
    const head = readRequestHead(piece.toString('latin1', 0, end + 2));
    if (head === undefined || head.bodyBytes > bodyBytesMax) return false;
    this.head = head;
    this.bodyStart = end + HEAD_END.length;
    return this.owner.laneServes.has(`${head.method} ${head.path}`);
  }

  /** The request is here, whole and alone. */
  private take(): void {
    const { head } = this;
    if (head === undefined) return;
    const body = this.takeHeld().subarray(this.bodyStart);
    this.head = undefined;
    const call = new LaneCall(this, this.socket, head, body);
    this.call = call;
    this.owner.onCall(call);
  }

  private goElsewhere(): void {
    this.owner.onUnusual(this, this.leave());
  }

  private takeHeld(): Buffer {
    const { held } = this;
    this.held = [];
    this.heldBytes = 0;
    return held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held);
  }

  /** A client that closes its side is gone, as node:http has it too. */
  private readonly onEnd = (): void => {
    this.socket.end();
  };

  private readonly onDrain = (): void => {
    this.call?.onDrain();
  };

  private readonly onClose = (): void => {
    this.owner.onLaneClosed(this);
  };
}

function ignore(): void {
  // `close` follows.
}
