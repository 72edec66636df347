// The way of a model through the page, with real Ollamas and a registry on loopback: pull, bar, chat, usage, delete.
// Never judges what the model says: it is random.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aHome } from '../../cli/bigo.ts';
import { skipUnless } from '../../tools/parts.ts';
import { startOllama } from '../../tools/real-ollama.ts';
import { startRegistry } from '../../tools/registry.ts';
import { tinyGguf } from '../../tools/tiny-gguf.ts';
import { startBrowser, until, upMsMax, Watched } from './browser.ts';

const skip = await skipUnless('chromium', 'ollama');
/** Slow enough that the bar is seen to move, however slowly this machine draws. */
const bytesPerSecond = 80_000;

test('a model is pulled, tried, counted and deleted on two real Ollamas', { skip }, async t => {
  const registry = await startRegistry();
  t.after(() => registry.stop());
  const parameters = { num_predict: 12, num_thread: 1 };
  const digest = await registry.addModel('library/tiny:1', { gguf: tinyGguf(), parameters });
  registry.setFault(digest, { bytesPerSecond });
  const ollamas = await Promise.all([startOllama(), startOllama()]);
  t.after(() => Promise.all(ollamas.map(ollama => ollama.stop())));
  const backends = ollamas.flatMap((ollama, at) => ['--backend', `${ollama.url},name=engine-${at + 1}`]);
  const up = aHome(t).start(['up', ...backends, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'], {
    timeMsMax: upMsMax,
  });
  const { url } = await up.ready();
  const browser = await startBrowser();
  t.after(() => browser.close());
  const page = await Watched.open(browser, `${url}/ui/#/models`);
  const name = `${registry.host}/library/tiny:1`;

  await page.id('models-empty').waitFor();
  await page.id('pull-name').fill(name);
  await page.id('pull-insecure').check();
  await page.id('pull').click();
  const seen = new Set<string | null>();
  await until('the pull never ended', async () => {
    seen.add(await page.id('pull-bar').first().getAttribute('aria-valuenow'));
    return (await page.id('pull-row').first().getAttribute('data-status')) !== 'running';
  });
  assert.equal(await page.id('pull-row').first().getAttribute('data-status'), 'success');
  assert.ok(seen.size >= 3, `the bar stood at ${[...seen].join(', ')}`);
  await page.page.locator('[data-testid^="model-127.0.0.1"]').waitFor();

  await page.go('playground');
  await page.id('prompt').fill('Hello');
  await page.id('send').click();
  await page.shows('note', /tokens.*first token after/);
  await page.shows('why', /^engine-[12] — cold_free/);

  await page.go('requests');
  await page.shows('reason', 'cold_free');
  await page.go('usage');
  await page.id('usage').waitFor();
  await page.shows('usage-requests', '1');

  await page.go('models');
  await page.page.getByRole('button', { name: `Delete ${name}` }).click();
  await page.id('dialog-yes').click();
  await page.id('models-empty').waitFor();
  await page.close();
});
