// `bigo events`: what happened to a fleet and its pods, oldest first. Never changes anything.
import type { Command } from 'commander';
import type { App } from '../app.ts';
import { addJsonOption } from '../client-flags.ts';
import { concerns, eventRows, eventTime } from '../core/cluster-text.ts';
import { tableLines } from '../core/table.ts';
import { addClusterOptions, listAll, namespaceOf, refuseAbsentNamespace, withCluster } from './access.ts';
import { EVENT } from './kinds.ts';
import type { NamespaceFlags } from './status.ts';

export function define(command: Command, app: App): void {
  addJsonOption(addClusterOptions(command))
    .argument('[fleet]', 'only of this fleet')
    .option('-n, --namespace <name>', 'default: the one of the context')
    .addHelpText(
      'after',
      '\nExample:\n  $ bigo events my-fleet -n ml\n\nA cluster keeps events for about an hour.',
    )
    .action((fleet: string | undefined, flags: NamespaceFlags) => events(app, fleet, flags));
}

async function events(app: App, fleet: string | undefined, flags: NamespaceFlags): Promise<void> {
  await withCluster(app, flags, async session => {
    const namespace = namespaceOf(flags, session.access);
    const all = await listAll(session.client, { kind: EVENT, namespace });
    const found = all
      .filter(event => fleet === undefined || concerns(event, fleet))
      .toSorted((a, b) => (eventTime(a) < eventTime(b) ? -1 : 1));
    if (all.length === 0) await refuseAbsentNamespace(session, namespace);
    if (flags.json === true) return app.terminal.print(JSON.stringify({ events: found }));
    if (found.length === 0) return app.terminal.print(`Nothing happened in namespace ${namespace} lately.`);
    const head = ['AGE', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE'];
    for (const line of tableLines(eventRows(found, Date.now()), { head, paint: app.terminal.paint }))
      app.terminal.print(line);
  });
}
