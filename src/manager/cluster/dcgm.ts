// Asks every dcgm-exporter behind one name for the memory of its GPUs. Never waits long: without it nodes and Ollama tell what they know.
import { lookup } from 'node:dns/promises';
import { createHttpClient, type HttpClient } from '../../platform/http.ts';
import { dcgmTotal } from '../core/dcgm.ts';
import type { GpuTotal } from '../core/gpu.ts';

const askMsMax = 2_000;
const answerBytesMax = 8 * 1024 * 1024;
const exportersMax = 500;

export class Dcgm {
  private readonly url: URL;
  private readonly http: HttpClient = createHttpClient({ connectMsMax: askMsMax });

  /** The name of a headless Service stands for one exporter on each node. */
  constructor(url: string) {
    this.url = new URL(url);
  }

  async total(): Promise<GpuTotal | undefined> {
    const host = this.url.hostname.replace(/^\[|\]$/g, '');
    const found = await lookup(host, { all: true }).catch(() => []);
    const addresses = found.slice(0, exportersMax).map(({ address }) => address);
    const texts = await Promise.all(addresses.map(address => this.ask(address)));
    return dcgmTotal(texts);
  }

  close(): Promise<void> {
    return this.http.close();
  }

  private async ask(address: string): Promise<string> {
    const { protocol, port, pathname } = this.url;
    const host = address.includes(':') ? `[${address}]` : address;
    try {
      const answer = await this.http.ask(
        { url: `${protocol}//${host}:${port === '' ? '9400' : port}` },
        {
          method: 'GET',
          path: pathname === '/' ? '/metrics' : pathname,
          bytesMax: answerBytesMax,
          timeMsMax: askMsMax,
        },
      );
      return answer.status === 200 ? answer.body.toString('utf8') : '';
    } catch {
      return '';
    }
  }
}
