// `npm run build`: the release, one file in dist/, tried before it is called done. Never publishes anything.
import path from 'node:path';
import { bundle, smokeTest, stampOf } from './build/bundle.ts';
import { root } from './check/source.ts';

const stamp = await stampOf();
const file = await bundle(path.join(root, 'dist'), stamp);
const size = await smokeTest(file, stamp);
console.log(`${path.relative(root, file)}: bigo ${stamp.version} (${stamp.commit}), ${size}; it starts`);
