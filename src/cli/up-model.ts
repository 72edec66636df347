// Sees that a fleet which BigO did not start has a model, through the gateway. Never pulls one that nobody asked for.
import type { App } from './app.ts';
import { Client } from './client.ts';
import type { RunningGateway } from './components.ts';
import { defaultModel, findModel, readModels } from './core/model-list.ts';
import { newProgress, plainLine, takeLine } from './core/pull-progress.ts';

/** Returns a model that can be used now; undefined = there is none, and the fleet serves all the same. */
export async function seeToModel(
  app: App,
  gateway: RunningGateway,
  wanted: string | undefined,
): Promise<string | undefined> {
  const token = app.env.BIGO_KEY;
  const client = new Client(app, { url: gateway.url, origin: 'this gateway', token });
  try {
    const models = readModels(await client.json({ path: '/api/tags' }));
    if (wanted === undefined || findModel(models, wanted) !== undefined)
      return wanted ?? defaultModel(models);
    await pull(app, client, wanted);
    return wanted;
  } catch (error) {
    app.terminal.tell(
      wanted === undefined ? (error as Error).message : `${wanted} is not here: ${(error as Error).message}`,
    );
    return undefined;
  } finally {
    await client.close();
  }
}

async function pull(app: App, client: Client, model: string): Promise<void> {
  let progress = newProgress();
  let shown = '';
  for await (const line of client.objects({ path: '/api/pull', body: { model, stream: true } })) {
    progress = takeLine(progress, line, performance.now());
    const text = `${model}: ${plainLine(progress)}`;
    if (text !== shown) app.terminal.tell(text);
    shown = text;
  }
}
