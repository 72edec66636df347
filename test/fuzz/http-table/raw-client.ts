// Writes exact bytes to a server and tells what came back. Never parses more of an answer than its status and its end.
import { connect } from 'node:net';

export interface RawAnswer {
  /** Status of each answer, in order. */
  readonly statuses: readonly number[];
  readonly text: string;
  /** The server closed the connection within the wait. */
  readonly closed: boolean;
}

export interface RawOptions {
  /** `refused`: an error is followed by the close of the connection, which is worth waiting for. */
  readonly fate: string;
  /** Half-close after the last byte. */
  readonly finish?: boolean;
}

const answerMsMax = 4_000;
/** Time for the close that follows a refusal. */
const lingerMs = 700;
const quietMs = 120;

export async function sendRaw(
  port: number,
  pieces: readonly (string | Uint8Array)[],
  options: RawOptions,
): Promise<RawAnswer> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let text = '';
    let closed = false;
    let timer = setTimeout(() => done(), answerMsMax);
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ statuses: statusesOf(text), text, closed });
    };
    socket.setEncoding('latin1');
    socket.on('connect', () => {
      for (const piece of pieces)
        socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
      if (options.finish === true) socket.end();
    });
    socket.on('data', (more: string) => {
      text += more;
      const statuses = statusesOf(text);
      if (statuses.length === 0) return;
      clearTimeout(timer);
      // A refusal ends the connection; otherwise only a second answer would be news.
      timer = setTimeout(done, options.fate === 'refused' ? lingerMs : quietMs);
    });
    socket.on('error', () => {
      closed = true;
    });
    socket.on('close', () => {
      closed = true;
      done();
    });
    socket.on('end', () => {
      closed = true;
    });
  });
}

/** Without 1xx. An answer's body never holds a status line here. */
function statusesOf(text: string): number[] {
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)]
    .map(match => Number(match[1]))
    .filter(status => status >= 200);
}
