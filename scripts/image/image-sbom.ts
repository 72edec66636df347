// What an image is made of: the program's list, Node, the Debian packages, and every file with its digest.
// Never lists itself, nor what was only needed to build.
import { createHash } from 'node:crypto';
import { sha256File } from '../fetch/cache.ts';
import { licences, type Component, sbomOf, type Sbom } from '../build/sbom.ts';
import { layerEntries, type Layer } from './archive.ts';
import type { Runtime } from './contents.ts';
import { debianUrl } from './debian-packages.ts';
import type { Processor } from './processors.ts';
import type { TarEntry } from './tar.ts';

interface ImageParts {
  readonly name: string;
  readonly program: Sbom;
  readonly runtime: Pick<Runtime, 'nodeVersion' | 'packages'>;
  readonly layers: readonly Layer[];
  readonly processor: Processor;
}

export async function imageSbom({ name, program, runtime, layers, processor }: ImageParts): Promise<Sbom> {
  const entries = (await Promise.all(layers.map(layerEntries))).flat();
  const files = await Promise.all(
    entries.flatMap(({ path, content }) => (content === undefined ? [] : [fileOf(path, content)])),
  );
  const { component } = program.metadata;
  const image: Component = {
    ...{ type: 'container', 'bom-ref': `image-${processor}`, name },
    ...(component.version === undefined ? {} : { version: component.version }),
  };
  return sbomOf(image, [component, ...program.components, ...systemOf(runtime), ...files]);
}

function systemOf({ nodeVersion, packages }: ImageParts['runtime']): Component[] {
  const node = `pkg:generic/node@${nodeVersion}`;
  const debian = packages.map((one): Component => {
    const purl = debianUrl(one);
    return { type: 'library', 'bom-ref': purl, name: one.name, version: one.version, purl };
  });
  const runs: Component = {
    ...{ type: 'application', 'bom-ref': node, name: 'node', version: nodeVersion, purl: node },
    licenses: licences('MIT'),
  };
  return [runs, ...debian];
}

async function fileOf(path: string, content: NonNullable<TarEntry['content']>): Promise<Component> {
  const hex =
    'bytes' in content
      ? createHash('sha256').update(content.bytes).digest('hex')
      : await sha256File(content.file);
  return {
    ...{ type: 'file', 'bom-ref': `file:/${path}`, name: `/${path}` },
    hashes: [{ alg: 'SHA-256', content: hex }],
  };
}
