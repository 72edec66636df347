// Asks a Node process that was started with --inspect to collect its garbage, and what its memory is then.
// Never needs anything in the process itself.
import { setTimeout as sleep } from 'node:timers/promises';

export interface Memory {
  readonly rssMb: number;
  readonly heapMb: number;
}

interface Answer {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
}

const collections = 3;

/** `--inspect=127.0.0.1:0` prints the address that it listens on. */
export function inspectorUrl(log: string): string {
  const url = /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(log)?.[0];
  if (url === undefined) throw new Error('the process does not listen to an inspector');
  return url;
}

export async function memoryAfterCollection(url: string): Promise<Memory> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)), { once: true });
  });
  try {
    for (let round = 0; round < collections; round++) {
      await ask(socket, 'HeapProfiler.collectGarbage', {});
      await sleep(500);
    }
    const expression = 'JSON.stringify(process.memoryUsage())';
    const answer = await ask(socket, 'Runtime.evaluate', { expression, returnByValue: true });
    const usage = JSON.parse(String(answer.result?.result?.value)) as NodeJS.MemoryUsage;
    return { rssMb: usage.rss / 1e6, heapMb: (usage.heapUsed + usage.external) / 1e6 };
  } finally {
    socket.close();
  }
}

let lastId = 0;

function ask(socket: WebSocket, method: string, params: object): Promise<Answer> {
  const id = ++lastId;
  return new Promise(resolve => {
    const onMessage = (event: MessageEvent): void => {
      const answer = JSON.parse(String(event.data)) as Answer;
      if (answer.id !== id) return;
      socket.removeEventListener('message', onMessage);
      resolve(answer);
    };
    socket.addEventListener('message', onMessage);
    socket.send(JSON.stringify({ id, method, params }));
  });
}
