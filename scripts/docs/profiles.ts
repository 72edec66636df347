// The committed manifests of each profile, as `bigo render` writes them. Never holds an object of its own.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { IMAGE_REPOSITORY } from '../../src/api/operator-settings.ts';
import { yamlDocuments } from '../../src/cli/cluster/yaml.ts';
import {
  ADAPTER_VALUES,
  adapterValues,
  defaultWish,
  KUSTOMIZATION,
  kustomization,
  profileOf,
} from '../../src/profiles/core/profiles.ts';
import { renderProfile } from '../../src/profiles/core/render.ts';
import { PROFILE_NAMES } from '../../src/profiles/core/types.ts';

const profilesFolder = 'k8s';
const packageFile = path.resolve(import.meta.dirname, '../../package.json');
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
const notice = (profile: string): string =>
  `# Written by \`npm run docs\`: bigo render ${profile}. Change src/profiles/, not this file.\n`;

export const profileFiles: readonly { readonly path: string; text(): string }[] = PROFILE_NAMES.flatMap(
  name => {
    const profile = profileOf(name);
    if (profile === undefined) return [];
    const files = renderProfile(profile, defaultWish(profile, `${IMAGE_REPOSITORY}:${version}`));
    const adapter = adapterValues(files);
    const contents = [
      ...files.map(file => [file.path, file.objects] as const),
      ...(adapter === undefined ? [] : [[ADAPTER_VALUES, [adapter]] as const]),
      [KUSTOMIZATION, [kustomization(files)]] as const,
    ];
    return contents.map(([file, objects]) => ({
      path: `${profilesFolder}/${name}/${file}`,
      text: () => notice(name) + yamlDocuments(objects),
    }));
  },
);
