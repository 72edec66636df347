// What is on every backend of every fleet now: told by a gateway, by the Ollama pods themselves where there is none, and by agents.
// Never waits long for a part that is silent: the others are shown without it.
import type { AgentStatus } from '../api/agent-status.ts';
import { modelKey } from '../api/names.ts';
import type { HttpClient } from '../platform/http.ts';
import { linkGroups, type ManagerContext } from './context.ts';
import { desiredOf, urlsOf, type FleetView } from './core/cluster-view.ts';
import { podFleet, withAgents, type AgentSight } from './core/pod-fleet.ts';
import type { GatewaySight } from './core/problems.ts';
import type { Fleet } from './core/wire.ts';
import type { GatewayLink } from './gateway-link.ts';

const askMsMax = 2_000;
const answerBytesMax = 8 * 1024 * 1024;
const podsMax = 200;

type Parts = Pick<ManagerContext, 'links' | 'sync' | 'cluster'>;

export class FleetSights {
  private readonly http: HttpClient;
  private readonly parts: () => Parts;

  constructor(http: HttpClient, parts: () => Parts) {
    this.http = http;
    this.parts = parts;
  }

  async all(): Promise<GatewaySight[]> {
    const parts = this.parts();
    const groups = linkGroups(parts);
    const views = new Map((parts.cluster?.fleets ?? []).map(view => [view.key, view]));
    const told = await Promise.all(groups.map(group => this.ofGateways(group, views)));
    const without = [...views.values()].filter(({ gateways }) => gateways.length === 0);
    return [...told, ...(await Promise.all(without.map(view => this.ofPods(view))))];
  }

  /** Fleets that have the model somewhere. */
  async holders(model: string): Promise<ReadonlySet<string>> {
    const key = modelKey(model) ?? model;
    const has = ({ fleet }: GatewaySight): boolean =>
      (fleet?.backends ?? []).some(({ models }) =>
        models.some(({ name }) => (modelKey(name) ?? name) === key),
      );
    return new Set((await this.all()).filter(has).map(({ name }) => name));
  }

  private async ofGateways(
    group: readonly GatewayLink[],
    views: ReadonlyMap<string, FleetView>,
  ): Promise<GatewaySight> {
    const name = group[0]?.fleetName ?? '';
    const view = views.get(name);
    let error = '';
    for (const link of group) {
      try {
        const [fleet, { declaredModels }] = await Promise.all([link.fleet(), link.settings()]);
        const desired = (view && desiredOf(view)) ?? declaredModels;
        return { name, fleet: await this.withAgents(fleet, view), error: '', desired };
      } catch (failure) {
        error = (failure as Error).message;
      }
    }
    return { name, fleet: undefined, error, desired: (view && desiredOf(view)) ?? [] };
  }

  private async ofPods(view: FleetView): Promise<GatewaySight> {
    const pods = await Promise.all(
      view.ollamas.slice(0, podsMax).map(async pod => {
        const urls = urlsOf(pod);
        if (urls === undefined) return { name: pod.name, url: '', tags: undefined, ps: undefined };
        const [tags, ps] = await Promise.all([
          this.ask(urls.ollama, '/api/tags'),
          this.ask(urls.ollama, '/api/ps'),
        ]);
        return { name: pod.name, url: urls.ollama, tags, ps };
      }),
    );
    const fleet = await this.withAgents(podFleet(pods), view);
    return { name: view.key, fleet, error: '', desired: desiredOf(view) ?? [] };
  }

  private async withAgents(fleet: Fleet, view: FleetView | undefined): Promise<Fleet> {
    if (view === undefined) return fleet;
    const agents = new Map<string, AgentSight>();
    await Promise.all(
      view.ollamas.slice(0, podsMax).map(async pod => {
        const urls = urlsOf(pod);
        const status = urls && ((await this.ask(urls.agent, '/status')) as AgentStatus | undefined);
        if (Array.isArray(status?.models)) agents.set(pod.name, { models: status.models });
      }),
    );
    return withAgents(fleet, agents);
  }

  private async ask(url: string, path: string): Promise<unknown> {
    try {
      const answer = await this.http.ask(
        { url },
        { method: 'GET', path, bytesMax: answerBytesMax, timeMsMax: askMsMax },
      );
      return answer.status === 200 ? (JSON.parse(answer.body.toString('utf8')) as unknown) : undefined;
    } catch {
      return undefined;
    }
  }
}
