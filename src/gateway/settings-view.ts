// The answer of /bigo/v1/settings: what people configured and the manager shows. Never a key, a hash, a token or a backend's header.
import type { GatewayContext } from './context.ts';

export function settingsView({ settings, keys }: GatewayContext): object {
  return {
    aliases: settings.aliases,
    declaredModels: settings.declaredModels,
    routing: settings.routing,
    keys: {
      on: keys.on,
      entries: keys.list().map(({ tenant, role, priorityMax, models }) => ({
        id: tenant,
        role,
        priority: priorityMax,
        ...(models !== undefined && { models: [...models] }),
      })),
    },
  };
}
