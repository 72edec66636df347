// What a release is made of, as CycloneDX 1.6: read from the bundle and the lock files, never from what is merely installed.
// Never says when or where it was written: the same content gives the same bytes.
import { createHash } from 'node:crypto';
import type { Stamp } from './bundle.ts';
import type { Package } from './packages.ts';

export interface Component {
  readonly type: 'application' | 'container' | 'library' | 'file';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly licenses?: readonly ({ license: { id: string } } | { expression: string })[];
  readonly hashes?: readonly { readonly alg: 'SHA-256' | 'SHA-512'; readonly content: string }[];
}

export interface Sbom {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: '1.6';
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

export function programSbom(packages: readonly Package[], { version, commit }: Stamp): Sbom {
  const component: Component = {
    ...{ type: 'application', 'bom-ref': 'bigo', name: 'bigo', version },
    purl: `pkg:generic/bigo@${version}?vcs_ref=${commit}`,
    licenses: licences('Apache-2.0'),
  };
  // The page and the program may hold one package each.
  const parts = new Map(packages.map(one => [npmUrl(one.name, one.version), one]));
  return sbomOf(
    component,
    [...parts].map(([purl, one]) => ({
      ...{ type: 'library', 'bom-ref': purl, name: one.name, version: one.version, purl },
      licenses: licences(one.licence),
      hashes: [
        {
          alg: 'SHA-512',
          content: Buffer.from(one.integrity.replace('sha512-', ''), 'base64').toString('hex'),
        },
      ],
    })),
  );
}

export function sbomOf(component: Component, components: readonly Component[]): Sbom {
  const sorted = components.toSorted((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1));
  const dependsOn = sorted.filter(({ type }) => type !== 'file').map(one => one['bom-ref']);
  return {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 },
    metadata: { component },
    components: sorted,
    dependencies: [{ ref: component['bom-ref'], dependsOn }],
  };
}

export function sbomText(sbom: Sbom): string {
  // A number of its own, as the format wishes, from the content: version 8 of RFC 9562 is free for that.
  const digits = createHash('sha256').update(JSON.stringify(sbom)).digest('hex');
  const groups = [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `8${digits.slice(17, 20)}`,
  ];
  const serialNumber = `urn:uuid:${[...groups, digits.slice(20, 32)].join('-')}`;
  const { bomFormat, specVersion, ...rest } = sbom;
  return `${JSON.stringify({ bomFormat, specVersion, serialNumber, ...rest }, undefined, 2)}\n`;
}

function npmUrl(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

export function licences(said: string): NonNullable<Component['licenses']> {
  return [/^[\w.+-]+$/.test(said) ? { license: { id: said } } : { expression: said }];
}
