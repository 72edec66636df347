// Each check of `npm run check` can fail, and says where. The files are made up; nothing of the project is read.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { brokenLinks, missingPaths, undocumented } from './documents.ts';
import { staleDocuments, writeDocuments } from './generated.ts';
import { checkHeads } from './heads.ts';
import { everything, type ImportRules } from './import-rules.ts';
import { checkImports } from './imports.ts';
import { checkPurity } from './purity.ts';
import { runChecks, type Step } from './run.ts';
import { checkFileSizes, checkFunctionSizes, functionSizes, median } from './sizes.ts';
import { tokenise, type SourceFile } from './source.ts';
import { checkWords } from './words.ts';

const file = (name: string, text: string): SourceFile => ({ path: name, text });

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'bigo-check-'));
  t.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

function words(text: string): string[] {
  return tokenise(text)
    .filter(token => token.kind === 'word')
    .map(token => token.text);
}

test('comments, strings, templates and regular expressions are no words, but what stands in a template hole is', () => {
  assert.deepEqual(words('// await\n/* await */ a = "await" + \'await\' + /await "/g'), ['a']);
  assert.deepEqual(words('x = `await ${y + `await ${z}` + {}} await`; w'), ['x', 'y', 'z', 'w']);
  assert.deepEqual(words('a / b / c'), ['a', 'b', 'c']);
  assert.equal(tokenise('a\n\nb').at(-1)?.line, 3);
});

const impure: readonly string[] = [
  'await x;',
  'const f = async () => 1;',
  'let p: Promise<void>;',
  "import { readFile } from 'node:fs';",
  'Date.now();',
  'new Date();',
  'Math.random();',
  'performance.now();',
  'process.env;',
  'setTimeout(f, 1);',
  'console.log(1);',
  'const t = late ? performance : none;',
];

for (const line of impure) {
  test(`core may not hold \`${line}\``, () => {
    assert.equal(checkPurity([file('src/gateway/core/x.ts', `// head\n${line}`)]).length, 1);
    assert.deepEqual(checkPurity([file('src/gateway/x.ts', line)]), []);
    assert.deepEqual(checkPurity([file('src/gateway/core/x.test.ts', line)]), []);
  });
}

test('core may name a member or a key like a forbidden word, and may compute with a given time', () => {
  const text =
    'a.process; interface B { process: string; fetch?: string } new Date(ms); Date.parse(s); Math.max(1, 2);';
  assert.deepEqual(checkPurity([file('src/gateway/core/x.ts', text)]), []);
});

const rules: ImportRules = {
  parts: {
    api: 'src/api/',
    gateway: 'src/gateway/',
    'gateway/core': 'src/gateway/core/',
    test: 'test/',
    tools: 'test/tools/',
  },
  may: { gateway: ['api', 'gateway/core'], 'gateway/core': ['api'], test: everything },
  packages: { gateway: ['undici'] },
};
const allUsed = [
  file(
    'src/gateway/a.ts',
    "import { x } from '../api/x.ts'; import './core/b.ts'; export { y } from 'undici';",
  ),
  file('src/gateway/core/b.ts', "import type { X } from '../../api/x.ts';"),
];

test('imports that the rules allow pass', () => {
  assert.deepEqual(checkImports(allUsed, rules), []);
});

test('a forbidden part, a forbidden package and a file outside all parts are named', () => {
  const bad = [
    file('src/gateway/core/c.ts', "import { a } from '../a.ts';\nconst u = await import('undici');"),
    file('src/stray.ts', "import './api/x.ts';"),
  ];
  const problems = checkImports([...allUsed, ...bad], rules);
  assert.equal(problems.length, 3);
  assert.match(problems[0] ?? '', /c\.ts:1 imports .*gateway\/core may not import gateway$/);
  assert.match(problems[1] ?? '', /c\.ts:2 .* may not import undici/);
  assert.match(problems[2] ?? '', /stray\.ts belongs to no part/);
});

test('a template after a variable called from is no import', () => {
  const one = file('src/gateway/c.ts', 'const range = `${from}-${to}`;');
  assert.deepEqual(checkImports([...allUsed, one], rules), []);
});

test('a rule that nobody uses fails, even when a test file still uses it', () => {
  const [, core = file('', '')] = allUsed;
  const onlyTest = file(
    'src/gateway/a.test.ts',
    "import '../api/x.ts'; import './core/b.ts'; import 'undici';",
  );
  const problems = checkImports([onlyTest, core], rules);
  assert.equal(problems.length, 3);
  assert.ok(problems.every(problem => problem.includes('no longer does')));
});

test('a test beside the code may use the helpers of the tests', () => {
  const one = file('src/gateway/a.test.ts', "import '../../test/tools/parts.ts'; import 'openai';");
  assert.deepEqual(checkImports([...allUsed, one], rules), []);
});

test('a long file fails unless excused, and an excuse that is no longer needed fails', () => {
  const long = file('src/long.ts', 'x\n'.repeat(401));
  const excuse = { file: 'src/long.ts', linesMax: 450, reason: 'a table' };
  assert.equal(checkFileSizes([long], []).length, 1);
  assert.deepEqual(checkFileSizes([long], [excuse]), []);
  assert.equal(checkFileSizes([file('src/long.ts', 'x\n')], [excuse]).length, 1);
  assert.equal(checkFileSizes([file('src/long.ts', 'x\n'.repeat(451))], [excuse]).length, 1);
});

test('a long function fails, and so do functions that are long on the whole', () => {
  const size = (lines: number): { file: string; line: number; lines: number } => ({
    file: 'src/a.ts',
    line: 1,
    lines,
  });
  assert.deepEqual(checkFunctionSizes([size(70), size(5), size(6)]), []);
  assert.equal(checkFunctionSizes([size(71), size(5), size(6)]).length, 1);
  assert.equal(checkFunctionSizes([size(20), size(30), size(40)]).length, 1);
  assert.equal(median([3, 1, 2]), 2);
});

test('oxlint tells the length of every function', async t => {
  const made = await folder(t);
  await writeFile(
    path.join(made, 'a.ts'),
    'export function a() {\n  return 1;\n}\nexport const b = () => 2;\n',
  );
  const sizes = await functionSizes([made]);
  assert.deepEqual(
    sizes.map(size => size.lines),
    [3, 1],
  );
});

test('a file without a head comment is named', () => {
  const good = file('a.ts', '// What this is; it never does that other thing.\nx');
  const script = file('b.ts', `#!/usr/bin/env node\n${good.text}`);
  assert.deepEqual(checkHeads([good, script]), []);
  assert.equal(checkHeads([file('c.ts', 'x'), file('d.ts', '// short\nx')]).length, 2);
});

test('addresses of registries and paths of one machine are named, paths in a container are not', () => {
  const lines = [
    ['https://registry.npm', 'js.org/x'].join(''),
    ['cd /wo', 'rk/main'].join(''),
    ['/ro', 'ot/x'].join(''),
  ];
  assert.equal(checkWords([file('a.md', lines.join('\n'))]).length, 3);
  assert.deepEqual(
    checkWords([file('b.md', '/root/.ollama is in the container; ${dir}/work/x; src/work/y')]),
    [],
  );
});

test('a link that leads nowhere and a path that is not there are named', async t => {
  const made = await folder(t);
  await mkdir(path.join(made, 'docs'));
  await writeFile(path.join(made, 'docs', 'a.md'), '');
  const text =
    '[a](docs/a.md#part) [b](docs/b.md) [c](https://x.invalid) `docs/a.md` `docs/none.md` `src/<part>/x.ts`';
  assert.deepEqual(brokenLinks([file('README.md', text)], made), [
    'README.md links to docs/b.md, which is not there',
  ]);
  assert.equal(missingPaths([file('README.md', text)], made).length, 1);
});

test('a name that its document does not hold as a word of its own is named', () => {
  const document = file('docs/errors.md', '`queue_full_now` and `bad_json`');
  const list = {
    what: 'error code',
    names: ['queue_full', 'bad_json'],
    document,
    documentPath: document.path,
  };
  assert.deepEqual(undocumented(list), ['docs/errors.md does not describe the error code queue_full']);
  assert.equal(undocumented({ ...list, document: undefined }).length, 1);
});

test('a generated document that differs from the code is named', async t => {
  const made = await folder(t);
  const documents = [{ path: 'a.md', text: () => 'new' }];
  assert.equal((await staleDocuments(documents, made)).length, 1);
  await writeDocuments(documents, made);
  assert.deepEqual(await staleDocuments(documents, made), []);
});

test('one failing step fails the check, and the others still run', async () => {
  const step = (name: string, problems: string[]): Step => ({
    name,
    budgetSeconds: 5,
    run: async () => ({ problems }),
  });
  const broken: Step = { ...step('throws', []), run: () => Promise.reject(new Error('broken')) };
  const said: string[] = [];
  const result = await runChecks(text => said.push(text), [step('good', []), step('bad', ['why']), broken]);
  assert.equal(result.passed, 1);
  assert.equal(result.failed, 2);
  assert.ok(said.some(line => line.includes('why')));
});
