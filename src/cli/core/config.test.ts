// Rules of the configuration: every key, where values come from, what they become. Never reads a file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CONFIG_KEYS } from '../../api/config-keys.ts';
import { checkConfig } from './check-config.ts';
import { envLayer, unknownVariables, variableKeys } from './env-layer.ts';
import { type Layer, mergeLayers, type Tree } from './layers.ts';
import { configNotes, toSettings } from './to-settings.ts';

const aLayer = (origin: string, value: Tree): Layer => ({ origin, value, places: new Map() });

function problemsOf(tree: Tree): string[] {
  const checked = checkConfig(tree);
  return 'problems' in checked ? checked.problems.map(problem => problem.message) : [];
}

function configOf(tree: Tree) {
  const checked = checkConfig(tree);
  if ('problems' in checked) throw new Error(checked.problems.map(problem => problem.message).join('\n'));
  return checked.config;
}

/** One good and one bad value for each key. A new key must be added here. */
const VALUES: Readonly<Record<string, readonly [good: unknown, bad: unknown]>> = {
  'workers.ollama.enabled': [false, 'yes'],
  'workers.ollama.endpoint': ['http://ollama.bigo.svc.cluster.local:11434', 'ftp://x'],
  'workers.ollama.max_concurrent': [10, 257],
  'workers.ollama.models.fast': ['phi3:mini-16k', ''],
  'workers.ollama.models.default': ['qwen3:8b', 'a b'],
  'workers.ollama.models.reasoning': ['qwen3:8b-8k', 3],
  'workers.ollama.routing': [[{ model: 'qwen3:32b', pods: ['ollama-2'] }], 'x'],
  'workers.ollama.routing[].model': ['qwen3:32b', '/'],
  'workers.ollama.routing[].pods': [['ollama-0', 'ollama-1'], []],
  'workers.ollama.clusters': [[{ name: 'a', endpoint: 'http://a:1' }], {}],
  'workers.ollama.clusters[].name': ['primary', 'a b'],
  'workers.ollama.clusters[].endpoint': ['http://ollama.us-east.example.com:11434', 'nowhere at all'],
  'workers.ollama.clusters[].priority': [2, -1],
  'bus.type': ['memory', 'kafka'],
  'bus.endpoint': ['redis://redis.bigo.svc:6379', 6379],
  'bus.queue_size': [1000, 0],
  'gateway.listen': ['0.0.0.0:11434', 'localhost'],
  'gateway.admin': ['[::1]:11480', '1:2:3'],
  'gateway.backends': [['http://a:1,slots=2'], 'http://a:1'],
  'gateway.backends[].url': ['http://a:1', 'http://a:1/v1'],
  'gateway.backends[].name': ['a', ''],
  'gateway.backends[].slots': [4, 0],
  'gateway.backends[].store': ['nfs', ' '],
  'gateway.backends[].class': ['a100', 7],
  'gateway.backends[].bearer': ['s3cret', 'two\nlines'],
  'gateway.backends[].headers': [{ 'x-team': 'a' }, { 'x team': 'a' }],
  'gateway.backends[].ca_file': ['ca.pem', ''],
  'gateway.aliases': [{ small: 'llama3.2:1b' }, { small: 3 }],
  'gateway.declared_models': [['llama3.2:1b'], ['']],
  'gateway.origins': [['https://a.example'], [1]],
  'gateway.hosts': [['bigo.example'], 'bigo.example'],
  'gateway.insecure': [true, 1],
  'gateway.keys_file': ['keys.json', ''],
  'gateway.journal_dir': ['journal', 1],
  'gateway.admin_token': ['t0ken', ''],
  'gateway.anonymous_role': ['inference', 'root'],
  'gateway.kubernetes.selector': ['app.kubernetes.io/name=ollama', ''],
  'gateway.kubernetes.namespace': ['ollama', 1],
  'gateway.kubernetes.kubeconfig': ['kubeconfig', 0],
  'gateway.kubernetes.port': [11_434, 0],
  'gateway.kubernetes.agent_port': [11_435, 70_000],
  'gateway.kubernetes.slots': [4, 0],
  'gateway.kubernetes.store': ['shared', ' '],
  'gateway.kubernetes.writer_selector': ['app.kubernetes.io/name=ollama-writer', ''],
  'gateway.kubernetes.gateway_selector': ['app.kubernetes.io/name=bigo-gateway', ''],
  'gateway.kubernetes.fleet': ['chat', ''],
  'gateway.tls.cert_file': ['cert.pem', ''],
  'gateway.tls.key_file': ['key.pem', 0],
  'gateway.queue.bytes_max': ['512MiB', '1KiB'],
  'gateway.queue.wait_max': ['5m', '5'],
  'gateway.time.connect_max': ['3s', '1h'],
  'gateway.time.first_byte_max': ['2m', '1ms'],
  'gateway.time.load_max': ['10m', '25h'],
  'gateway.time.idle_max': ['2m', 'soon'],
  'gateway.time.write_stall_max': ['1m', 60],
  'gateway.time.receive_max': ['30s', '0s'],
  'gateway.time.drain_grace': ['5s', '1h'],
  'gateway.time.drain_max': ['0s', '48h'],
  'gateway.body.json_max': ['100MiB', '1B'],
  'gateway.body.held_answer_max': ['32MiB', '1TB'],
  'engine.count': [2, 65],
  'engine.model': ['smollm2:135m', '//'],
};

/** Fields that must stand beside the one under test. */
const BESIDE: Readonly<Record<string, Tree>> = {
  'workers.ollama.routing[]': { model: 'm', pods: ['a'] },
  'workers.ollama.clusters[]': { name: 'a', endpoint: 'http://a:1' },
  'gateway.backends[]': { url: 'http://a:1' },
  'gateway.tls': { cert_file: 'c', key_file: 'k' },
};

function treeWith(path: string, value: unknown): Tree {
  const dot = path.lastIndexOf('.');
  if (dot < 0) return { [path]: value };
  const parent = path.slice(0, dot);
  const holder = { ...BESIDE[parent], [path.slice(dot + 1)]: value };
  return parent.endsWith('[]') ? treeWith(parent.slice(0, -2), [holder]) : treeWith(parent, holder);
}

test('the table of this test has every key of the schema and no other', () => {
  assert.deepEqual(Object.keys(VALUES).sort(), CONFIG_KEYS.map(key => key.path).sort());
});

for (const [path, [good, bad]] of Object.entries(VALUES)) {
  test(`${path} takes a good value and refuses a bad one by name`, () => {
    assert.deepEqual(problemsOf(treeWith(path, good)), []);
    const [problem = ''] = problemsOf(treeWith(path, bad));
    assert.ok(problem.startsWith(path.replaceAll('[]', '[0]')), `${problem} begins with the key`);
    assert.match(problem, /must|is not a backend/);
  });
}

test('an unknown key is an error with a suggestion', () => {
  const cases: [Tree, RegExp][] = [
    [{ worker: {} }, /^worker is not a key: did you mean workers\?$/],
    [
      { workers: { ollama: { max_concurent: 4 } } },
      /max_concurent is not a key: did you mean max_concurrent\?/,
    ],
    [{ endpoint: 'http://x:1' }, /^endpoint is not a key: did you mean workers\.ollama\.endpoint\?/],
    [
      { gateway: { backends: [{ url: 'http://a:1', nmae: 'b' }] } },
      /backends\[0\]\.nmae is not a key: did you mean name/,
    ],
    [{ gateway: { time: { zzzzzzzzz: 1 } } }, /known here: connect_max, first_byte_max/],
    [{ workers: { claude: {} } }, /workers\.claude is not a key/],
  ];
  for (const [tree, expected] of cases) assert.match(problemsOf(tree).join('\n'), expected);
});

test('every mistake is told at once', () => {
  assert.equal(problemsOf({ bus: { queue_size: 0, kind: 1 }, engine: { count: 'two' } }).length, 3);
});

test('a secret never comes back in an error message', () => {
  const tree = { gateway: { backends: [{ url: 'http://a:1', bearer: 'hunter2\n' }] } };
  assert.doesNotMatch(problemsOf(tree).join('\n'), /hunter2/);
});

test('bus.type redis is refused as not built yet, not as a typing mistake', () => {
  assert.match(problemsOf({ bus: { type: 'redis' } })[0] ?? '', /not built yet/);
});

test('an alias of an alias is refused', () => {
  const tree = { workers: { ollama: { models: { fast: 'a:1' } } }, gateway: { aliases: { quick: 'fast' } } };
  assert.match(problemsOf(tree)[0] ?? '', /which is an alias itself/);
});

test('two backends or clusters of one name are refused', () => {
  assert.match(
    problemsOf({ gateway: { backends: ['http://a:1', 'http://a:1/'] } })[0] ?? '',
    /names must differ/,
  );
  const cluster = { name: 'a', endpoint: 'http://a:1' };
  assert.match(problemsOf({ workers: { ollama: { clusters: [cluster, cluster] } } })[0] ?? '', /used twice/);
});

test('whatever tree is given, checking ends with a configuration or with problems', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('workers', 'bus', 'gateway', 'engine', '__proto__', 'x'), fc.anything()),
      tree => {
        const checked = checkConfig(tree);
        assert.ok('config' in checked || checked.problems.length > 0);
      },
    ),
  );
});

test('later layers win, objects merge, lists are replaced whole', () => {
  const merged = mergeLayers([
    aLayer('user', { bus: { queue_size: 1 }, gateway: { aliases: { a: 'x' }, hosts: ['u'] } }),
    aLayer('project', { gateway: { aliases: { b: 'y' }, hosts: ['p'] } }),
  ]);
  assert.deepEqual(merged.value, {
    bus: { queue_size: 1 },
    gateway: { aliases: { a: 'x', b: 'y' }, hosts: ['p'] },
  });
});

test('every value knows where it came from', () => {
  const project = {
    origin: 'p.yaml',
    value: { bus: { queue_size: 2 } },
    places: new Map([['bus.queue_size', 'p.yaml:7']]),
  };
  const merged = mergeLayers([aLayer('user', { bus: { queue_size: 1, type: 'memory' } }), project]);
  assert.equal(merged.originOf(['bus', 'queue_size']), 'p.yaml:7');
  assert.equal(merged.originOf(['bus', 'type']), 'user');
  assert.equal(merged.originOf(['engine', 'count']), 'default');
});

test('an empty key leaves the value of the layer below', () => {
  const merged = mergeLayers([aLayer('user', { bus: { queue_size: 5 } }), aLayer('project', { bus: null })]);
  assert.deepEqual(merged.value, { bus: { queue_size: 5 } });
});

test('an empty unknown key is still an error', () => {
  assert.match(problemsOf(mergeLayers([aLayer('f', { buss: null })]).value)[0] ?? '', /buss is not a key/);
});

test('a variable is named after its key and read by its kind', () => {
  const layer = envLayer(
    {
      BIGO_BUS_QUEUE_SIZE: '7',
      BIGO_GATEWAY_INSECURE: 'true',
      BIGO_GATEWAY_HOSTS: 'a, b',
      BIGO_GATEWAY_BACKENDS: 'http://a:1,slots=2 http://b:1',
      BIGO_WORKERS_OLLAMA_ENDPOINT: '',
      HOME: '/x',
    },
    CONFIG_KEYS,
  );
  assert.deepEqual(layer.value, {
    bus: { queue_size: 7 },
    gateway: { insecure: true, hosts: ['a', 'b'], backends: ['http://a:1,slots=2', 'http://b:1'] },
  });
  assert.equal(layer.places.get('bus.queue_size'), 'BIGO_BUS_QUEUE_SIZE');
});

test('a variable that is nearly ours is named; those of Kubernetes services are only a warning', () => {
  const warnings = unknownVariables({ BIGO_GATEWAY_LISEN: 'x', BIGO_URL: 'x', PATH: 'x' }, CONFIG_KEYS);
  assert.deepEqual(warnings, [
    'BIGO_GATEWAY_LISEN is not a variable of BigO: did you mean BIGO_GATEWAY_LISTEN?',
  ]);
});

test('no two keys share a variable', () => {
  const names = [...variableKeys(CONFIG_KEYS).keys()];
  assert.equal(new Set(names).size, names.length);
});

test('the printed example of the roadmap becomes one backend with slots and three aliases', () => {
  const settings = toSettings(
    configOf({
      workers: {
        ollama: {
          enabled: true,
          endpoint: 'http://ollama.bigo.svc.cluster.local:11434',
          max_concurrent: 10,
          models: { fast: 'phi3:mini-16k', default: 'qwen3:8b', reasoning: 'qwen3:8b-8k' },
        },
      },
    }),
  );
  assert.equal(settings.backends[0]?.url, 'http://ollama.bigo.svc.cluster.local:11434');
  assert.equal(settings.backends[0]?.slots, 10);
  assert.deepEqual(settings.aliases, {
    fast: 'phi3:mini-16k',
    default: 'qwen3:8b',
    reasoning: 'qwen3:8b-8k',
  });
});

test('clusters override endpoint, and what is not used yet is told', () => {
  const config = configOf({
    workers: {
      ollama: {
        endpoint: 'http://one:1',
        clusters: [
          { name: 'primary', endpoint: 'http://east:1', priority: 1 },
          { name: 'secondary', endpoint: 'http://west:1', priority: 2 },
        ],
      },
    },
  });
  assert.deepEqual(
    toSettings(config).backends.map(backend => backend.name),
    ['primary', 'secondary'],
  );
  const notes = configNotes(config).join('\n');
  assert.match(notes, /endpoint is left out/);
  assert.match(notes, /priority is not used yet/);
});

test('a pod of a rule is found by its name, or by the first label of its host', () => {
  const settings = toSettings(
    configOf({
      workers: { ollama: { routing: [{ model: 'm', pods: ['ollama-0', 'b', 'gone'] }] } },
      gateway: { backends: ['http://ollama-0.ollama:11434', 'http://10.0.0.2:1,name=b'] },
    }),
  );
  assert.deepEqual(settings.routing, [{ model: 'm', backends: ['ollama-0.ollama:11434', 'b', 'gone'] }]);
});

test('a rule that names a backend nobody configured is told', () => {
  const config = configOf({
    workers: { ollama: { routing: [{ model: 'm', pods: ['gone'] }] } },
    gateway: { backends: ['http://a:1'] },
  });
  assert.match(configNotes(config).join('\n'), /not configured: gone/);
});

test('with enabled false nothing of workers.ollama is used but its models', () => {
  const settings = toSettings(
    configOf({
      workers: { ollama: { enabled: false, endpoint: 'http://a:1', routing: [{ model: 'm', pods: ['a'] }] } },
    }),
  );
  assert.deepEqual([settings.backends, settings.routing], [[], []]);
});

test('a bearer token becomes a header of its backend only', () => {
  const settings = toSettings(
    configOf({
      gateway: { backends: [{ url: 'http://a:1', bearer: 't', ca_file: 'ca.pem' }, 'http://b:1'] },
    }),
    { 'ca.pem': 'PEM' },
  );
  assert.deepEqual(
    settings.backends.map(backend => backend.headers),
    [{ authorization: 'Bearer t' }, undefined],
  );
  assert.equal(settings.backends[0]?.ca, 'PEM');
});
