// The image of BigO that a command writes into objects: one rule for all of them. Never asks a registry whether it is there.
import { IMAGE_REPOSITORY } from '../api/operator-settings.ts';
import type { Environment } from './core/env-layer.ts';
import { usageError } from './exit.ts';
import { versionInfo } from './version.ts';

/** Host, path, tag and digest, as far as a slip of the pen shows: no spaces, not empty. */
const imageForm = /^[A-Za-z0-9][\w.:/@-]*$/;

/** The one that was named, else BIGO_IMAGE, else the one of this version. Throws a usage error. */
export function ownImage(flag: string | undefined, env: Environment): string {
  // An empty variable names nothing, as with other programs.
  const image = flag ?? (env.BIGO_IMAGE || `${IMAGE_REPOSITORY}:${versionInfo(env).version}`);
  if (imageForm.test(image)) return image;
  const where = flag === undefined ? 'BIGO_IMAGE' : '--image';
  throw usageError(`${where}: "${image}" is no image`, `Write it as ${IMAGE_REPOSITORY}:0.2.0.`);
}
