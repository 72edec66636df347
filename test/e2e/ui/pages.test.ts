// The page as people use it, in a real Chromium, in front of `bigo up` with two fake Ollamas. Pictures of every page go to test-results/ui.
// Never judges how it looks: people look at the pictures.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { startFakeOllama, type FakeOllama } from '../../fakes/ollama/server.ts';
import { aHome, type Home } from '../../cli/bigo.ts';
import { skipUnless } from '../../tools/parts.ts';
import { looks, startBrowser, until, upMsMax, Watched } from './browser.ts';

const skip = await skipUnless('chromium');
const dist = path.resolve(import.meta.dirname, '..', '..', '..', 'ui', 'dist');
const scriptBytesMax = 120 * 1024;
const pageNames = ['overview', 'models', 'playground', 'requests', 'usage', 'health', 'settings'] as const;

interface Fleet {
  readonly url: string;
  readonly home: Home;
  readonly fakes: readonly FakeOllama[];
}

async function startFleet(t: TestContext, flags: readonly string[] = []): Promise<Fleet> {
  const models = [
    { name: 'llama3.2:1b', sizeBytes: 1.3e9 },
    { name: 'qwen3:8b', sizeBytes: 5e9 },
    { name: 'hf.co/someone/a-model-with-a-rather-long-name:Q4_K_M', sizeBytes: 9e9 },
  ];
  // An answer is so long that it never ends while a test looks at it.
  const options = { models, tokenMs: 40, tokensMedian: 5_000, tokensSigma: 0.1, loadMs: 20 };
  const fakes = await Promise.all([
    startFakeOllama(options),
    startFakeOllama({ ...options, models: models.slice(0, 2) }),
  ]);
  t.after(() => Promise.all(fakes.map(fake => fake.stop())));
  const home = aHome(t);
  const backends = fakes.flatMap((fake, at) => ['--backend', `${fake.url},name=engine-${at + 1}`]);
  const up = home.start(['up', ...backends, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', ...flags], {
    timeMsMax: upMsMax,
  });
  return { url: (await up.ready()).url, home, fakes };
}

/** What the browser noted since the page began to load. */
const figures = `new Promise(resolve => {
  const sums = { shift: 0, moved: [], paintMs: 0 };
  const take = list => {
    for (const entry of list) {
      if (entry.entryType === 'layout-shift') {
        sums.shift += entry.value;
        sums.moved.push(...entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 200) ?? ''));
      } else if (entry.name === 'first-contentful-paint') sums.paintMs = entry.startTime;
    }
  };
  const kinds = ['layout-shift', 'paint'];
  const observers = kinds.map(type => {
    const observer = new PerformanceObserver(list => take(list.getEntries()));
    observer.observe({ type, buffered: true });
    return observer;
  });
  setTimeout(() => {
    for (const observer of observers) take(observer.takeRecords());
    resolve(sums);
  }, 500);
})`;

async function chat(url: string, model: string): Promise<void> {
  const body = {
    model,
    messages: [{ role: 'user', content: 'hi' }],
    options: { num_predict: 5 },
    stream: false,
  };
  await (await fetch(`${url}/api/chat`, { method: 'POST', body: JSON.stringify(body) })).text();
}

async function post(url: string, route: string, body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${url}/manager/api${route}`, { method: 'POST', headers, body: JSON.stringify(body) });
}

describe('the page', { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());

  test('every page works wide and narrow, light and dark: accessible, no error, no other host', async t => {
    const { url } = await startFleet(t);
    for (const model of ['llama3.2:1b', 'qwen3:8b', 'llama3.2:1b']) await chat(url, model);
    await post(url, '/ollama/pull', { model: 'gone:1b' });
    await post(url, '/drain', { backend: 'engine-2', drain: true });
    const report = { source: 'test', available_models: ['a'], missing_models: ['b'], timestamp: 'now' };
    await post(url, '/health/report', report);
    for (const look of looks) {
      const page = await Watched.open(browser, `${url}/ui/`, look);
      await page.id('grid').waitFor();
      for (const name of pageNames) {
        await page.go(name);
        await page.settled();
        await page.assertAccessible(`${name} ${look.name}`);
        await page.assertFits(`${name} ${look.name}`);
        await page.picture(`${name}-${look.name}`);
      }
      await page.close();
    }
  });

  test('the overview shows which model is where, live', async t => {
    const { url } = await startFleet(t);
    const page = await Watched.open(browser, `${url}/ui/`);
    const cell = page.id('cell-qwen3:8b-engine-1').or(page.id('cell-qwen3:8b-engine-2'));
    await cell.first().waitFor();
    assert.equal(await page.page.locator('[data-testid^="cell-"][data-state="loaded"]').count(), 0);
    await chat(url, 'qwen3:8b');
    await page.page.locator('[data-testid^="cell-qwen3"][data-state="loaded"]').waitFor();
    await page.shows('figure-backends', /2 of 2 up/);
    await page.close();
  });

  test('an answer streams with its backend and reason, and stops when it is stopped', async t => {
    const { url, fakes } = await startFleet(t);
    const page = await Watched.open(browser, `${url}/ui/#/playground`);
    await page.id('playground-model').selectOption('llama3.2:1b');
    await page.id('prompt').fill('<img src=x onerror=alert(1)> tell me a long story');
    await page.id('prompt').press('Enter');
    await page.id('answer').nth(1).waitFor();
    const length = async () => (await page.id('answer').nth(1).innerText()).length;
    const short = await length();
    await until('the answer does not grow', async () => (await length()) >= short + 20);
    await page.shows('why', /^engine-\d — cold_free: the model was loaded nowhere/);
    await page.picture('playground-streaming');
    await page.id('stop').click();
    await page.shows('note', 'stopped by you');
    const stopped = await length();
    await page.id('send').waitFor();
    await until('the backend goes on although nobody listens', () =>
      fakes.every(fake => fake.state().inFlight === 0),
    );
    assert.equal(await length(), stopped);
    assert.equal(await page.page.locator('img[src=x]').count(), 0);
    await page.go('requests');
    await page.page.getByText('client left').first().waitFor();
    await page.close();
  });

  test('with keys on the page asks for one, and shows each role what it may do', async t => {
    const keysHome = aHome(t);
    const file = path.join(keysHome.dir, 'keys.yaml');
    const keys: Record<string, string> = {};
    for (const role of ['admin', 'user']) {
      const { stdout } = await keysHome.run([
        'keys',
        'create',
        `a-${role}`,
        '--role',
        role,
        '--keys',
        file,
        '--json',
      ]);
      keys[role] = (JSON.parse(stdout) as { key: string }).key;
    }
    const { url } = await startFleet(t, ['--keys', file]);
    const page = await Watched.open(browser, `${url}/ui/`);
    page.expectsFailures = true;
    await page.id('key-form').waitFor();
    await page.assertAccessible('key prompt');
    await page.picture('key-prompt');
    await page.id('key').fill('wrong');
    await page.id('key-use').click();
    await page.page.getByText('This key is not valid here.').waitFor();
    await page.id('key').fill(keys.user ?? '');
    await page.id('key-use').click();
    await page.id('nav-models').waitFor();
    assert.deepEqual(await page.page.locator('nav a').allInnerTexts(), ['Models', 'Playground']);
    await page.id('model-qwen3:8b').waitFor();
    assert.equal(await page.id('pull').count(), 0);
    await page.picture('models-plain-user');
    await page.id('sign-out').click();
    await page.id('key').fill(keys.admin ?? '');
    await page.id('key-use').click();
    await page.id('grid').waitFor();
    await page.page.reload();
    await page.id('grid').waitFor();
    assert.equal(await page.page.evaluate('JSON.stringify(localStorage)'), '{}');
    await page.go('settings');
    await page.id('keys').waitFor();
    assert.doesNotMatch(await page.page.content(), /sha256:|bigo-[A-Za-z0-9_-]{20}/);
    await page.close();
  });

  test('a gateway that goes away is told, and the page comes back with it', async t => {
    const fake = await startFakeOllama({ models: [{ name: 'm' }] });
    t.after(() => fake.stop());
    const home = aHome(t);
    const args = ['up', '--backend', fake.url, '--admin', '127.0.0.1:0', '--listen'];
    const first = home.start([...args, '127.0.0.1:0'], { timeMsMax: upMsMax });
    const { url } = await first.ready();
    const page = await Watched.open(browser, `${url}/ui/`);
    page.expectsFailures = true;
    await page.id('grid').waitFor();
    await first.kill();
    await page.id('disconnected').waitFor();
    await page.assertAccessible('disconnected');
    await page.picture('disconnected');
    assert.equal(await page.id('grid').count(), 1, 'what was seen last stays');
    await home.start([...args, new URL(url).host], { timeMsMax: upMsMax }).ready();
    await page.id('disconnected').waitFor({ state: 'detached' });
    await page.shows('connection', /Live/);
    await page.close();
  });

  test('10,000 models: only those in sight are in the document, and the last one is reached; names are text', async t => {
    const { url } = await startFleet(t);
    const page = await Watched.open(browser, `${url}/ui/`);
    const rows = Array.from({ length: 10_000 }, (_, n) => ({
      name: n === 0 ? '<img src=x onerror=alert(1)>' : `model-${n}:latest`,
      digest: 'a'.repeat(64),
      sizeBytes: n,
      sizeVramBytes: 0,
      desired: false,
      where: [],
    }));
    await page.page.route('**/manager/api/ollama/models', route => route.fulfill({ json: { rows } }));
    await page.go('models');
    await page.page.getByText('10000 models').waitFor();
    assert.equal(await page.page.locator('img[src=x]').count(), 0);
    assert.ok((await page.page.locator('[role=row]').count()) < 60);
    await page.id('models').evaluate(box => box.scrollTo(0, box.scrollHeight));
    await page.id('model-model-9999:latest').waitFor();
    assert.ok((await page.page.locator('[role=row]').count()) < 60);
    await page.id('models-filter').fill('model-777:');
    await page.id('model-model-777:latest').waitFor();
    await page.page.reload();
    await page.id('model-model-777:latest').waitFor();
    page.expectsFailures = true;
    await page.id('pull-name').fill('<img src=x onerror=alert(1)>');
    await page.id('pull').click();
    await page.id('toast').filter({ hasText: 'model' }).first().waitFor();
    assert.equal(await page.page.locator('img[src=x]').count(), 0);
    await page.close();
  });

  test('the keyboard reaches everything: pages, the table, the question before a delete', async t => {
    const { url } = await startFleet(t);
    const page = await Watched.open(browser, `${url}/ui/#/models`);
    await page.id('model-qwen3:8b').waitFor();
    await page.id('delete-qwen3:8b').focus();
    await page.page.keyboard.press('Enter');
    await page.id('dialog').waitFor();
    await page.assertAccessible('dialog');
    await page.page.keyboard.press('Escape');
    await page.id('dialog').waitFor({ state: 'detached' });
    await page.id('delete-qwen3:8b').focus();
    await page.page.keyboard.press('Enter');
    await page.id('dialog-yes').focus();
    await page.page.keyboard.press('Enter');
    await page.id('model-qwen3:8b').waitFor({ state: 'detached' });
    await page.close();
  });

  test('the script of the whole page is small, nothing is inline, and nothing moves while it loads', async t => {
    const names = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter(name =>
      name.endsWith('.js'),
    );
    const bytes = names.reduce((sum, name) => sum + gzipSync(readFileSync(path.join(dist, name))).length, 0);
    assert.ok(bytes <= scriptBytesMax, `${bytes} bytes of script`);
    const html = readFileSync(path.join(dist, 'index.html'), 'utf8');
    assert.doesNotMatch(html, /<script(?![^>]*src=)|style=|<style/);
    const { url } = await startFleet(t);
    const page = await Watched.open(browser, `${url}/ui/`);
    await page.id('grid').waitFor();
    await page.settled();
    const { shift, moved, paintMs } = (await page.page.evaluate(figures)) as {
      shift: number;
      moved: string[];
      paintMs: number;
    };
    t.diagnostic(`${bytes} bytes of script, gzipped; first paint after ${Math.round(paintMs)} ms`);
    assert.equal(shift, 0, `while the page loaded this moved: ${moved.join(' | ')}`);
    await page.close();
  });
});
