// The table of commands: name, one line about it, and how its file is loaded. Never imports a command before it is asked for.
import type { Command } from 'commander';
import type { App } from './app.ts';

export interface CommandModule {
  define(command: Command, app: App): void;
}

export interface CommandEntry {
  readonly name: string;
  readonly alias?: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
  readonly isHidden?: boolean;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'up',
    summary: 'start a fleet on this machine and one address in front of it',
    load: () => import('./up.ts'),
  },
  {
    name: 'gateway',
    summary: 'start only the gateway, in front of backends that you name',
    load: () => import('./gateway.ts'),
  },
  {
    name: 'manager',
    summary: 'serve the web page and the manager API for gateways that run elsewhere',
    load: () => import('./manager.ts'),
  },
  {
    name: 'operator',
    summary: 'make OllamaDeployments of a Kubernetes cluster true, and keep them so',
    load: () => import('./operator.ts'),
  },
  {
    name: 'install',
    summary: 'bring the operator into a Kubernetes cluster',
    load: () => import('./cluster/install.ts'),
  },
  {
    name: 'upgrade',
    summary: 'bring the operator of this version into a cluster that has one',
    load: () => import('./cluster/install.ts'),
  },
  {
    name: 'uninstall',
    summary: 'take the operator out of a cluster; fleets stay and serve',
    load: () => import('./cluster/uninstall.ts'),
  },
  {
    name: 'render',
    summary: 'print the plain manifests of a profile, or of an OllamaDeployment',
    load: () => import('./cluster/render.ts'),
  },
  {
    name: 'migrate',
    summary: 'rewrite resources of earlier operators as OllamaDeployments',
    load: () => import('./cluster/migrate.ts'),
  },
  {
    name: 'fill-secrets',
    summary: 'make the keys of a plain profile in its cluster (run by a Job)',
    load: () => import('./cluster/fill-secrets.ts'),
    isHidden: true,
  },
  { name: 'run', summary: 'ask one question', load: () => import('./run.ts') },
  { name: 'chat', summary: 'talk to a model', load: () => import('./chat.ts') },
  { name: 'pull', summary: 'bring models to the fleet', load: () => import('./pull.ts') },
  { name: 'ls', alias: 'list', summary: 'list the models of the fleet', load: () => import('./ls.ts') },
  { name: 'ps', summary: 'list the models that are loaded', load: () => import('./ps.ts') },
  { name: 'show', summary: 'describe a model', load: () => import('./show.ts') },
  {
    name: 'size',
    summary: 'tell how much disk and memory a model needs, and which GPUs hold it',
    load: () => import('./size.ts'),
  },
  { name: 'cp', summary: 'give a model a further name', load: () => import('./cp.ts') },
  { name: 'rm', summary: 'delete models', load: () => import('./rm.ts') },
  { name: 'stop', summary: 'unload models from memory', load: () => import('./stop.ts') },
  { name: 'status', summary: 'show backends, what waits, and why', load: () => import('./status.ts') },
  {
    name: 'scale',
    summary: 'set how many Ollama pods a fleet of a cluster has',
    load: () => import('./cluster/scale.ts'),
  },
  {
    name: 'drain',
    summary: 'send one backend no new requests, so that it can be worked on',
    load: () => import('./cluster/drain.ts'),
  },
  {
    name: 'logs',
    summary: 'print what the pods of a fleet wrote',
    load: () => import('./cluster/logs.ts'),
  },
  {
    name: 'events',
    summary: 'list what happened to a fleet of a cluster',
    load: () => import('./cluster/events.ts'),
  },
  {
    name: 'health',
    summary: 'check that a model answers; the exit code says what is wrong',
    load: () => import('./health.ts'),
  },
  {
    name: 'check-models',
    summary: 'compare the models that should be there with those that are, for a CronJob',
    load: () => import('./check-models.ts'),
  },
  { name: 'init', summary: 'write a commented configuration file', load: () => import('./init.ts') },
  { name: 'config', summary: 'show or check the configuration', load: () => import('./config.ts') },
  { name: 'doctor', summary: 'check this machine and say what to do', load: () => import('./doctor.ts') },
  { name: 'keys', summary: 'make, list and revoke API keys', load: () => import('./keys.ts') },
  {
    name: 'gpu',
    summary: 'print what lets several pods share one GPU',
    load: () => import('./gpu.ts'),
  },
  {
    name: 'version',
    summary: 'print the version, the commit, and the versions of Node, resource and API',
    load: () => import('./version.ts'),
  },
  {
    name: 'completion',
    summary: 'print a completion script for your shell',
    load: () => import('./completion.ts'),
  },
  {
    name: 'agent',
    summary: 'bring models to one Ollama of a cluster, check them, let its pod end gently',
    load: () => import('./agent.ts'),
  },
  {
    name: 'engine',
    summary: 'serve one embedded engine (started by `bigo up`)',
    load: () => import('./engine-command.ts'),
    isHidden: true,
  },
];
