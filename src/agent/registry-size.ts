// What a model would need, asked of its registry before a pull. Never insists: undefined means that the pull itself must tell.
import { parseModelName } from '../api/names.ts';
import { createHttpClient } from '../platform/http.ts';
import { manifestUrlPath, readManifest, type Layer } from './core/manifest.ts';

const askMsMax = 5_000;
const manifestBytesMax = 4 * 1024 * 1024;
const ACCEPT = 'application/vnd.docker.distribution.manifest.v2+json';

export async function layersInRegistry(
  modelName: string,
  insecureRegistries: readonly string[],
): Promise<readonly Layer[] | undefined> {
  const name = parseModelName(modelName);
  if (name === undefined) return undefined;
  const http = createHttpClient({ connectMsMax: askMsMax });
  try {
    const scheme = insecureRegistries.includes(name.host) ? 'http' : 'https';
    const answer = await http.ask(
      { url: `${scheme}://${name.host}` },
      {
        method: 'GET',
        path: manifestUrlPath(name),
        headers: { accept: ACCEPT },
        timeMsMax: askMsMax,
        bytesMax: manifestBytesMax,
      },
    );
    return answer.status === 200 ? readManifest(answer.body.toString('utf8')) : undefined;
  } catch {
    return undefined;
  } finally {
    await http.close();
  }
}

export function isInsecure(modelName: string, insecureRegistries: readonly string[]): boolean {
  return insecureRegistries.includes(parseModelName(modelName)?.host ?? '');
}
