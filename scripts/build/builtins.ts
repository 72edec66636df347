// Has the bundle take Node's own modules at the moment when a part needs them. Never changes which ones are taken.
// `import 'node:http'` reads every name of it, of which one loads Node's whole own HTTP client: a tenth of a gateway's start.
// And in a bundle of one file all plain imports stand at its top, for every command.
import type { Plugin } from 'esbuild';

export function builtinsWhenNeeded(which: RegExp): Plugin {
  const namespace = 'builtin';
  return {
    name: 'builtins-when-needed',
    setup: build => {
      build.onResolve({ filter: which }, ({ path, kind }) =>
        kind === 'import-statement' ? { path, namespace } : undefined,
      );
      build.onLoad({ filter: which, namespace }, ({ path }) => ({
        contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
      }));
    },
  };
}
