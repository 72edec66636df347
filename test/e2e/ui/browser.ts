// A real Chromium for the page: contexts, pictures, accessibility. Never leaves a browser behind, never asks another host.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import axe from 'axe-core';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { find } from '../../tools/parts.ts';

const root = path.resolve(import.meta.dirname, '..', '..', '..');
/** Ignored by git: pictures are for people to look at. */
const picturesDir = path.join(root, 'test-results', 'ui');
/** Long, because a browser draws slowly on a busy machine; nothing here is judged by its time. */
const waitMsMax = 60_000;
/** A `bigo up` that was forgotten ends after this. */
export const upMsMax = 300_000;
const settleMs = 250;
const lookMs = 50;

export const looks = [
  { name: 'wide-light', width: 1600, height: 950, scheme: 'light' },
  { name: 'wide-dark', width: 1600, height: 950, scheme: 'dark' },
  { name: 'phone-light', width: 360, height: 740, scheme: 'light' },
  { name: 'phone-dark', width: 360, height: 740, scheme: 'dark' },
] as const;
export type Look = (typeof looks)[number];

export async function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: (await find('chromium')) ?? 'chromium', args: ['--no-sandbox'] });
}

/** A state of something else than the page, looked at until it holds. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = performance.now() + waitMsMax;
  while (!(await holds())) {
    assert.ok(performance.now() < endMs, what);
    await sleep(lookMs);
  }
}

function escaped(words: string): string {
  return words.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** What a page must never do: fail, log an error, break the policy, ask another host. */
export class Watched {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly troubles: string[] = [];
  /** Errors of the network are wanted in tests that cut it. */
  expectsFailures = false;

  private constructor(context: BrowserContext, page: Page) {
    this.context = context;
    this.page = page;
  }

  static async open(browser: Browser, url: string, look: Look = looks[0]): Promise<Watched> {
    const { width, height, scheme } = look;
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
    context.setDefaultTimeout(waitMsMax);
    const page = await context.newPage();
    const watched = new Watched(context, page);
    page.on('pageerror', error => watched.troubles.push(`error: ${error.message}`));
    page.on('console', message => {
      if (message.type() === 'error' && !watched.expectsFailures) watched.troubles.push(message.text());
    });
    page.on('request', request => {
      if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith('data:'))
        watched.troubles.push(`asked ${request.url()}`);
    });
    await page.goto(url);
    return watched;
  }

  id(testId: string) {
    return this.page.getByTestId(testId);
  }

  /** The page of this name is what is shown, not the one before it. */
  async go(name: string): Promise<void> {
    const link = this.id(`nav-${name}`);
    await link.click();
    await this.page.locator('h1', { hasText: await link.innerText() }).waitFor();
  }

  /** Waits for the words: what is told by events or looked up again comes a little later. */
  async shows(testId: string, words: string | RegExp): Promise<void> {
    const exact = typeof words === 'string' ? new RegExp(`^\\s*${escaped(words)}\\s*$`) : words;
    await this.id(testId).filter({ hasText: exact }).first().waitFor();
  }

  /** What a page asks at its start is there. */
  async settled(): Promise<void> {
    await this.page
      .getByText(/^(Loading|Looking)…$/)
      .first()
      .waitFor({ state: 'detached' });
    await this.page.waitForTimeout(settleMs);
  }

  async picture(name: string): Promise<void> {
    mkdirSync(picturesDir, { recursive: true });
    await this.page.screenshot({ path: path.join(picturesDir, `${name}.png`) });
  }

  /** axe looks from outside the page's own policy: it is run in a world of its own. */
  async assertAccessible(where: string): Promise<void> {
    const session = await this.context.newCDPSession(this.page);
    const { frameTree } = await session.send('Page.getFrameTree');
    const world = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id });
    const { executionContextId: contextId } = world;
    await session.send('Runtime.evaluate', { expression: axe.source, contextId });
    const { result } = await session.send('Runtime.evaluate', {
      expression: `axe.run(document).then(({ violations }) => JSON.stringify(violations.map(({ id, nodes }) =>
        id + ': ' + nodes.map(node => node.target + ' ' + node.failureSummary).join(' | '))))`,
      awaitPromise: true,
      contextId,
    });
    await session.detach();
    assert.deepEqual(JSON.parse(String(result.value)), [], `axe on ${where}`);
  }

  async assertFits(where: string): Promise<void> {
    const over = await this.page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    assert.equal(over, 0, `${where} is wider than the window`);
  }

  async close(): Promise<void> {
    await this.context.close();
    assert.deepEqual(this.troubles, []);
  }
}
