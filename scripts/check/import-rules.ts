// Which part of BigO may import which. A line that nobody uses any more fails the check: take it out.
// Never lists what a part imports from itself, nor node's own modules (core may not have those, see purity.ts).

export const everything = ['*'];

export interface ImportRules {
  /** A path belongs to the longest prefix that fits. */
  readonly parts: Readonly<Record<string, string>>;
  readonly may: Readonly<Record<string, readonly string[]>>;
  /** npm packages by part; test files may use the development ones freely. */
  readonly packages: Readonly<Record<string, readonly string[]>>;
}

export const importRules: ImportRules = {
  parts: {
    main: 'src/main.ts',
    api: 'src/api/',
    platform: 'src/platform/',
    'fleet/core': 'src/fleet/core/',
    fleet: 'src/fleet/',
    'gateway/core': 'src/gateway/core/',
    gateway: 'src/gateway/',
    'manager/core': 'src/manager/core/',
    manager: 'src/manager/',
    'agent/core': 'src/agent/core/',
    agent: 'src/agent/',
    'operator/core': 'src/operator/core/',
    operator: 'src/operator/',
    'profiles/core': 'src/profiles/core/',
    'engine/core': 'src/engine/core/',
    engine: 'src/engine/',
    'cli/core': 'src/cli/core/',
    cli: 'src/cli/',
    sim: 'src/sim/',
    tools: 'test/tools/',
    fakes: 'test/fakes/',
    test: 'test/',
    bench: 'bench/',
    'scripts/test': 'scripts/test',
    scripts: 'scripts/',
  },
  may: {
    main: [
      'api',
      'platform',
      'cli',
      'fleet',
      'gateway',
      'agent',
      'engine',
      'manager',
      'operator',
      'operator/core',
    ],
    platform: ['api'],
    'fleet/core': ['api'],
    fleet: ['api', 'platform', 'fleet/core'],
    'gateway/core': ['api'],
    gateway: ['api', 'platform', 'fleet', 'gateway/core'],
    'manager/core': ['api'],
    manager: ['api', 'platform', 'manager/core'],
    'agent/core': ['api'],
    agent: ['api', 'platform', 'agent/core'],
    'operator/core': ['api'],
    operator: ['api', 'platform', 'operator/core'],
    'profiles/core': ['api', 'operator/core', 'manager/core'],
    'engine/core': ['api'],
    engine: ['api', 'engine/core'],
    'cli/core': ['api', 'operator/core', 'profiles/core'],
    cli: ['api', 'platform', 'fleet', 'cli/core', 'engine/core', 'operator/core', 'profiles/core'],
    sim: ['api', 'gateway/core'],
    fakes: ['api', 'sim'],
    tools: ['engine', 'scripts'],
    test: everything,
    bench: everything,
    // Alone of the scripts: what makes a release must not depend on tests.
    'scripts/test': ['tools', 'scripts'],
    scripts: ['api', 'scripts/test', 'cli', 'gateway/core', 'manager/core', 'operator/core', 'profiles/core'],
  },
  packages: {
    api: ['zod'],
    platform: ['undici', 'pino', 'prom-client', 'yaml'],
    engine: ['undici'],
    'manager/core': ['zod'],
    manager: ['zod'],
    gateway: ['yaml', 'zod'],
    cli: ['commander', 'undici', 'yaml'],
    scripts: ['esbuild', 'yaml', 'zod'],
    test: everything,
    bench: everything,
  },
};
