// The commented configuration file that `bigo init` writes, made from the schema's own list of keys. Pure.
import type { ConfigKey } from '../../api/config-keys.ts';

const HEAD = `# Configuration of BigO for this project. Every key is optional; a # shows the default or an example.
# docs/configuration.md explains them; \`bigo config\` shows what is in force and why; \`bigo config check\` checks.
`;

const EXAMPLES: Readonly<Record<string, string>> = {
  'workers.ollama.endpoint': 'http://ollama.bigo.svc.cluster.local:11434',
  'workers.ollama.max_concurrent': '10',
  'workers.ollama.models.fast': 'llama3.2:1b',
  'workers.ollama.models.default': 'qwen3:8b',
  'workers.ollama.models.reasoning': 'qwen3:8b',
  'workers.ollama.routing': '[{ model: "qwen3:32b", pods: [ollama-2] }]',
  'workers.ollama.clusters':
    '[{ name: primary, endpoint: "http://ollama.us-east.example.com:11434", priority: 1 }]',
  'bus.endpoint': 'redis://redis.bigo.svc:6379',
  'gateway.backends': '["http://gpu-1:11434,slots=4", "http://gpu-2:11434,slots=4"]',
  'gateway.aliases': '{ small: "llama3.2:1b" }',
  'gateway.declared_models': '["llama3.2:1b"]',
  'gateway.origins': '["https://chat.example.com"]',
  'gateway.hosts': '[bigo.example.com]',
  'gateway.keys_file': 'keys.yaml',
  'gateway.journal_dir': '.bigo/journal',
  'gateway.admin_token': 'a-long-random-text',
  'gateway.kubernetes.selector': 'app.kubernetes.io/name=ollama',
  'gateway.kubernetes.namespace': 'ollama',
  'gateway.kubernetes.kubeconfig': 'kubeconfig.yaml',
  'gateway.kubernetes.agent_port': '11435',
  'gateway.kubernetes.slots': '4',
  'gateway.kubernetes.store': 'shared',
  'gateway.kubernetes.writer_selector': 'app.kubernetes.io/name=ollama-writer',
  'gateway.kubernetes.gateway_selector': 'app.kubernetes.io/name=bigo-gateway',
  'gateway.kubernetes.fleet': 'chat',
  'gateway.tls.cert_file': 'tls.crt',
  'gateway.tls.key_file': 'tls.key',
  'engine.model': 'smollm2:135m',
};

export function configTemplate(keys: readonly ConfigKey[]): string {
  const lines: string[] = [];
  let open: readonly string[] = [];
  for (const key of keys.filter(candidate => !candidate.path.includes('[]'))) {
    const parts = key.path.split('.');
    const sections = parts.slice(0, -1);
    for (const [depth, section] of sections.entries()) {
      if (open[depth] === section && open.slice(0, depth).every((name, index) => name === sections[index]))
        continue;
      if (depth === 0) lines.push('');
      // A section of which both keys are needed must not stand there empty.
      lines.push(`${'  '.repeat(depth)}${section === 'tls' ? '# ' : ''}${section}:`);
      open = sections.slice(0, depth + 1);
    }
    open = sections;
    const indent = '  '.repeat(sections.length);
    const value = EXAMPLES[key.path] ?? JSON.stringify(key.fallback) ?? '';
    lines.push(
      `${indent}# ${key.help}`,
      `${indent}# ${parts.at(-1) ?? ''}: ${value.replaceAll(/^"([\w.-]+)"$/g, '$1')}`,
    );
  }
  return `${HEAD}${lines.join('\n')}\n`;
}
