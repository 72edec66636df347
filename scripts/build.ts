// `npm run build`: the release, one file in dist/, tried before it is called done. Never publishes anything.
import path from 'node:path';
import { bundle, smokeTest, stampOf } from './build/bundle.ts';
import { root } from './check/source.ts';

async function main(): Promise<number> {
  const stamp = await stampOf();
  try {
    const file = await bundle(path.join(root, 'dist'), stamp);
    const size = await smokeTest(file, stamp);
    console.log(`${path.relative(root, file)}: bigo ${stamp.version} (${stamp.commit}), ${size}; it starts`);
    return 0;
  } catch (error) {
    console.error(`The release could not be built: ${(error as Error).message}`);
    return 1;
  }
}

process.exitCode = await main();
