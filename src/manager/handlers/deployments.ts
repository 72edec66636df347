// OllamaDeployment resources: list, create, delete. Outside a cluster it says why it cannot. Never touches plain objects.
import { BigoError } from '../../api/errors.ts';
import { modelKey } from '../../api/names.ts';
import { Refusal, type Call, type Handler } from '../call.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ManagerContext } from '../context.ts';
import { deploymentRow } from '../core/cluster-view.ts';
import { deployment, fitOf, UNKNOWN_FIT, type Fit } from '../core/deploy.ts';
import type { RouteId } from '../core/routes.ts';
import { gpuNow } from './system.ts';

const outside = 'This manager runs outside a cluster: there are no OllamaDeployment resources here.';

export function deploymentHandlers(context: ManagerContext): Partial<Record<RouteId, Handler>> {
  return {
    deployments: () => list(context),
    deploy: call => deploy(context, call),
    undeploy: call => undeploy(context, call),
  };
}

async function list({ cluster }: ManagerContext): Promise<object> {
  if (cluster === undefined) return { success: true, models: [], count: 0, note: outside };
  // While it is away nobody is kept waiting for it.
  if (cluster.error === '') await cluster.look();
  const models = cluster.fleets.map(deploymentRow);
  const note = cluster.error === '' ? {} : { note: `What is shown is old: ${cluster.error}.` };
  return { success: true, models, count: models.length, ...note };
}

interface DeployBody {
  readonly model_id: string;
  readonly deployment_name: string;
  readonly memory?: string | number;
  readonly namespace?: string;
}

async function deploy(context: ManagerContext, call: Call): Promise<object> {
  const cluster = clusterOf(context);
  const wish = call.body as unknown as DeployBody;
  const namespace = cluster.namespaceFor(wish.namespace);
  const room = await roomFor(context, wish);
  const { created } = await cluster.deploy(
    deployment({
      name: wish.deployment_name,
      namespace,
      model: wish.model_id,
      hasGpus: (cluster.gpus?.count ?? 0) > 0,
      ...(wish.memory !== undefined && { memory: wish.memory }),
    }),
  );
  return { success: true, name: wish.deployment_name, namespace, created, ...room };
}

/** Known where the model is on some disk already. */
async function roomFor(context: ManagerContext, wish: DeployBody): Promise<Fit['answer']> {
  const key = modelKey(wish.model_id);
  const sights = await context.sights.all();
  const models = sights.flatMap(({ fleet }) => fleet?.backends ?? []).flatMap(backend => backend.models);
  const size = models.find(({ name }) => modelKey(name) === key)?.sizeBytes;
  const fit = fitOf(size, await gpuNow(context));
  if (fit === undefined) return UNKNOWN_FIT;
  if (fit.fits) return fit.answer;
  const { estimated_vram: estimated, available_vram: available } = fit;
  throw new Refusal(
    `${wish.model_id} takes about ${estimated} GB of GPU memory, and ${available} GB are free.`,
    {
      estimated_vram: estimated,
      requested_vram: wish.memory ?? estimated,
      available_vram: available,
      suggestion: 'Take a smaller quantisation, or stop models that nobody uses.',
    },
  );
}

async function undeploy(context: ManagerContext, call: Call): Promise<object> {
  const cluster = clusterOf(context);
  const wish = call.body as unknown as { deployment_name: string; namespace?: string };
  await cluster.remove(wish.deployment_name, cluster.namespaceFor(wish.namespace));
  return { success: true };
}

function clusterOf({ cluster }: ManagerContext): Cluster {
  if (cluster !== undefined) return cluster;
  throw new BigoError(
    'not_implemented',
    `${outside} On this machine \`bigo up\` and \`bigo pull\` do the same.`,
  );
}
