// As much of a WebSocket server (RFC 6455) as shows that a connection passes: OpenWebUI's answers to the opening and to a ping
// (Engine.IO protocol 4, packets 0, 2 and 3). Never reads a message of more than 125 bytes.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const shortMax = 125;

export function acceptSocket(request: IncomingMessage, socket: Duplex): void {
  const key = request.headers['sec-websocket-key'];
  if (key === undefined || request.url?.startsWith('/ws/socket.io/') !== true) return void socket.destroy();
  const accept = createHash('sha1')
    .update(key + guid)
    .digest('base64');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.on('error', () => undefined);
  socket.write(frame('0{"sid":"stand-in","pingInterval":25000,"pingTimeout":20000}'));
  socket.on('data', (bytes: Buffer) => {
    const text = messageOf(bytes);
    if (text === '2') socket.write(frame('3'));
    else socket.end();
  });
}

function frame(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > shortMax) throw new Error('too long for a short frame');
  return Buffer.concat([Buffer.from([0x81, bytes.length]), bytes]);
}

/** Of one masked text frame; anything else is undefined. */
function messageOf(bytes: Buffer): string | undefined {
  const length = (bytes[1] ?? 0) & 0x7f;
  if (bytes[0] !== 0x81 || length > shortMax || bytes.length < 6 + length) return undefined;
  const mask = bytes.subarray(2, 6);
  return bytes
    .subarray(6, 6 + length)
    .map((byte, index) => byte ^ (mask[index % 4] ?? 0))
    .toString();
}
