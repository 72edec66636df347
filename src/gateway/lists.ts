// Lists from the snapshot: /api/tags, /api/ps, /v1/models, of what the key may use. Never asks a backend.
import { BigoError } from '../api/errors.ts';
import type { GatewayContext } from './context.ts';
import { mergeOpenAiModels, mergePs, mergeTags, openAiModelOf } from './core/stream/lists.ts';
import type { HttpExchange } from './http-exchange.ts';
import { refuse } from './refusal.ts';

export function handleList(context: GatewayContext, exchange: HttpExchange): void {
  const value = listValue(context, exchange);
  if (value instanceof BigoError)
    refuse(context, exchange, { dialect: exchange.route.dialect, error: value });
  else exchange.send(200, { 'content-type': 'application/json; charset=utf-8' }, JSON.stringify(value));
}

function listValue(context: GatewayContext, exchange: HttpExchange): object | BigoError {
  const snapshot = context.fleet.snapshot();
  const { aliases } = context.settings;
  const { models: allowed } = exchange.identity;
  switch (exchange.route.id) {
    case 'tags':
      return mergeTags(snapshot, aliases, allowed);
    case 'ps':
      return mergePs(snapshot, allowed);
    case 'v1_models':
      return mergeOpenAiModels(snapshot, aliases, allowed);
    default:
      return openAiModelOf(snapshot, { aliases, allowed, name: exchange.params['model'] ?? '' });
  }
}
