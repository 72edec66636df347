// What becomes of each command that the guides print: where it is run, what it must print or bring about, or why no test runs it.
// Never a command that no guide prints, and none of theirs is left out: guides.test.ts compares the two.
import type { Guide } from './printed.ts';

export interface GuideCommand {
  /** As it is printed. */
  readonly command: string;
  /** `machine`: no cluster. `cluster`: an API server, where pods are objects. `pods`: a node on which they run. */
  readonly on?: 'machine' | 'cluster' | 'pods';
  /** Pattern of what it prints, on stdout or stderr. */
  readonly expect?: string;
  /** What a person has done before that the guide does not print as a command. */
  readonly before?: string;
  /** Prints what shows the effect. */
  readonly look?: string;
  readonly seen?: string;
  /** 0 when absent. */
  readonly code?: number;
  /** It ends only when it is ended, which is when it has printed what is expected. */
  readonly watch?: true;
  /** Another test runs it, or the same command of another guide. */
  readonly by?: string;
  /** No test runs it, for this reason. */
  readonly notRun?: (typeof reasons)[number];
}

/** Nothing else is a reason not to run a command. */
export const reasons = [
  'download from a repository',
  'no Docker daemon and no Compose where BigO is tested',
  'systemd is not the first process where BigO is tested',
  'neither Prometheus nor its adapter is where BigO is tested',
  'the same two commands are run on pods for the home lab',
] as const;

/** Words of the guides that stand for something of the reader's own. The tests know more: ports, and folders of theirs. */
export const standIns: Readonly<Record<string, string>> = {
  'PROFILE --set …': 'homelab --set namespace=plain',
  'REGISTRY/bigo:TAG': 'registry.internal/bigo:1',
  NAMESPACE: 'ml',
  'NAME-': 'chat-',
  'od NAME': 'od chat',
  FOLDER: 'my-lab',
  'label node NODE': 'label node node-2',
  'taint node NODE': 'taint node node-2',
  'size MODEL': 'size llama3.2:1b',
  'size NAME': 'size llama3.2:1b',
};

const imageOfOperator =
  "kubectl -n llm-operator-system get deployment llm-operator-controller-manager -o jsonpath='{..image}'";
const installed = { on: 'cluster', expect: 'looks after every namespace|nothing was changed' } as const;
const nothingBroken = { on: 'cluster', expect: '^ok ' } as const;

export const guideCommands: Readonly<Record<Guide, readonly GuideCommand[]>> = {
  'docs/guides/k3s.md': [
    {
      command: 'export KUBECONFIG=/etc/rancher/k3s/k3s.yaml',
      on: 'cluster',
      look: 'kubectl version',
      seen: 'Server Version: v1',
    },
    { command: 'bigo install', ...installed },
    {
      command: 'kubectl create namespace ml',
      on: 'cluster',
      look: 'kubectl get namespace ml -o name',
      seen: '^namespace/ml$',
    },
    {
      command: `kubectl apply -n ml -f - <<'EOF'
apiVersion: llm.geeper.io/v1alpha1
kind: OllamaDeployment
metadata: { name: chat }
spec:
  ollama:
    models: ["llama3.2:1b"]
    storage: { size: 20Gi }
EOF`,
      on: 'cluster',
      expect: 'ollamadeployment.llm.geeper.io/chat created',
      look: 'kubectl -n ml rollout status statefulset/chat-ollama --timeout=60s',
      seen: 'complete',
    },
    {
      command: 'kubectl -n ml wait od/chat --for=condition=Ready --timeout=15m',
      on: 'cluster',
      expect: 'condition met',
    },
    {
      command: 'kubectl -n ml port-forward service/chat-ollama 11434:11434 &',
      notRun: 'the same two commands are run on pods for the home lab',
    },
    {
      command: 'bigo run --url http://127.0.0.1:11434 "What is the capital of France?"',
      notRun: 'the same two commands are run on pods for the home lab',
    },
    {
      command: "kubectl -n ml get secret chat-gateway-keys -o jsonpath='{.data.user-key}' | base64 -d",
      on: 'cluster',
      before: `kubectl -n ml patch od chat --type merge -p '{"spec":{"gateway":{"ingress":{"enabled":true,"host":"llm.example.com","className":"traefik"}}}}'`,
      expect: '^bigo-[\\w-]{20,}$',
    },
    { command: 'bigo status -n ml', on: 'cluster', expect: 'ml/chat +Ready +\\d/\\d +1/1' },
    { command: 'bigo doctor -n ml', ...nothingBroken },
    {
      command: 'bigo install --image REGISTRY/bigo:TAG',
      on: 'cluster',
      look: imageOfOperator,
      seen: '^registry.internal/bigo:1$',
    },
    { command: 'npm run image -- --archive bigo.tar', by: 'docs/guides/air-gapped.md' },
  ],
  'docs/guides/upgrade-and-rollback.md': [
    { command: 'bigo upgrade', on: 'cluster', expect: 'changed|nothing was changed' },
    { command: 'bigo doctor -n NAMESPACE', ...nothingBroken },
    {
      command: `kubectl -n NAMESPACE patch od NAME --type merge -p '{"spec":{"ollama":{"imageTag":"0.24.0"}}}'`,
      on: 'cluster',
      look: "kubectl -n ml get statefulset chat-ollama -o jsonpath='{.spec.template.spec.containers[0].image}'",
      seen: '^ollama/ollama:0\\.24\\.0$',
    },
    { command: 'kubectl -n NAMESPACE get od NAME -w', on: 'cluster', expect: '^chat +', watch: true },
    { command: 'bigo upgrade --force', on: 'cluster', expect: 'changed|nothing was changed' },
    {
      command: 'kubectl diff -f FOLDER/',
      on: 'cluster',
      before: 'bigo render homelab --set namespace=lab -o my-lab && kubectl create namespace lab',
      expect: '^\\+kind: ConfigMap',
      code: 1,
    },
    {
      command: 'kubectl apply -f FOLDER/',
      on: 'cluster',
      look: 'kubectl diff -f my-lab/ && echo the same',
      seen: '^the same$',
    },
    {
      command: 'kubectl get lmdeployments -A -o yaml | bigo migrate > new.yaml',
      on: 'cluster',
      before: 'kubectl apply -f older.yaml',
      look: 'kubectl apply --dry-run=server -f new.yaml',
      seen: 'ollamadeployment.llm.geeper.io/older created',
    },
    {
      command: 'bigo config check FILE',
      on: 'machine',
      before: 'bigo init && cp .bigo/config.yaml FILE',
      expect: 'FILE',
    },
  ],
  'docs/guides/backup-and-restore.md': [
    {
      command: 'kubectl get od -A -o yaml > fleets.yaml',
      on: 'cluster',
      look: 'cat fleets.yaml',
      seen: '- llama3\\.2:1b',
    },
    {
      command: "kubectl -n NAMESPACE get secret NAME-gateway-keys -o jsonpath='{.data}' > keys.json",
      on: 'cluster',
      look: 'cat keys.json',
      seen: '"user-key":"',
    },
    {
      command: "kubectl -n model-hosting get configmap model-usage-stats -o jsonpath='{.data}' > usage.json",
      on: 'cluster',
      // As a manager wrote it.
      before: `kubectl create namespace model-hosting && kubectl -n model-hosting create configmap model-usage-stats --from-literal=usage_data='{"llama3.2:1b":{"requests":41}}' --from-literal=usage_places='{"a":7}'`,
      look: 'cat usage.json',
      seen: '\\\\"requests\\\\":41',
    },
    {
      command: 'bigo install',
      on: 'cluster',
      // Everything is lost.
      before: 'bigo uninstall --purge --yes && kubectl delete namespace ml model-hosting',
      expect: 'looks after every namespace',
    },
    {
      command: 'kubectl create namespace NAMESPACE',
      on: 'cluster',
      look: 'kubectl get namespace ml -o name',
      seen: '^namespace/ml$',
    },
    {
      command: 'kubectl apply -f fleets.yaml',
      on: 'cluster',
      expect: 'ollamadeployment.llm.geeper.io/chat created',
      look: "kubectl -n ml get od chat -o jsonpath='{.spec.ollama.models}'",
      seen: '^\\["llama3\\.2:1b"\\]$',
    },
    {
      command: 'kubectl -n NAMESPACE wait --for=create secret/NAME-gateway-keys --timeout=5m',
      on: 'cluster',
      expect: 'condition met',
    },
    {
      command: `kubectl -n NAMESPACE patch secret NAME-gateway-keys --type merge -p "{\\"data\\": $(cat keys.json)}"`,
      on: 'cluster',
      // The operator looks at the Secret again with each pass, and each change of the resource is one.
      look: `kubectl -n ml annotate od chat looked=again --overwrite && sleep 2 && kubectl -n ml wait od/chat --for=condition=Ready --timeout=60s && kubectl -n ml get secret chat-gateway-keys -o jsonpath='{.data}' | diff - keys.json && echo the same keys`,
      seen: '^the same keys$',
    },
    {
      command: `kubectl -n model-hosting patch configmap model-usage-stats --type merge -p "{\\"data\\": $(cat usage.json)}"`,
      on: 'cluster',
      before:
        'kubectl create namespace model-hosting && kubectl -n model-hosting create configmap model-usage-stats',
      look: "kubectl -n model-hosting get configmap model-usage-stats -o jsonpath='{.data}' | diff - usage.json && echo the same usage",
      seen: '^the same usage$',
    },
  ],
  'docs/guides/storage.md': [
    { command: 'bigo doctor -n NAMESPACE', ...nothingBroken },
    { command: 'kubectl get storageclass', on: 'cluster', expect: '^local \\(default\\)' },
  ],
  'docs/guides/gpu-cluster.md': [
    {
      command: 'helm repo add nvidia https://helm.ngc.nvidia.com/nvidia && helm repo update',
      notRun: 'download from a repository',
    },
    {
      command: 'helm install gpu-operator nvidia/gpu-operator -n gpu-operator --create-namespace',
      notRun: 'download from a repository',
    },
    {
      command:
        "kubectl get nodes -o custom-columns='NODE:.metadata.name,GPUS:.status.allocatable.nvidia\\.com/gpu'",
      on: 'cluster',
      expect: '^node-1 +8$',
    },
    { command: 'bigo install', ...installed },
    { command: 'kubectl create namespace llm', on: 'cluster', expect: 'namespace/llm created' },
    {
      command: 'kubectl apply -n llm -f fleet.yaml',
      on: 'cluster',
      before: 'kubectl label node node-1 gpu=true',
      expect: 'ollamadeployment.llm.geeper.io/chat created',
      look: 'kubectl -n llm wait od/chat --for=condition=Ready --timeout=60s',
      seen: 'condition met',
    },
    { command: 'bigo doctor -n llm', ...nothingBroken },
    {
      command: 'kubectl label node NODE gpu=true',
      on: 'cluster',
      look: 'kubectl get nodes -l gpu=true -o name',
      seen: '^node/node-2$',
    },
    {
      command: 'kubectl taint node NODE nvidia.com/gpu=present:NoSchedule',
      on: 'cluster',
      look: "kubectl get node node-2 -o jsonpath='{.spec.taints[*].key}'",
      seen: 'nvidia.com/gpu',
    },
    {
      command: 'bigo size qwen3:8b --context 8192 --parallel 4 --kv-cache-type q8_0',
      on: 'machine',
      expect: 'KV cache',
    },
    {
      command: 'helm repo add prometheus-community https://prometheus-community.github.io/helm-charts',
      notRun: 'download from a repository',
    },
    {
      command:
        'helm install prometheus-adapter prometheus-community/prometheus-adapter -n monitoring -f k8s/bigo/optional/prometheus-adapter.values --set prometheus.url=http://prometheus-operated.monitoring.svc --set prometheus.port=9090',
      notRun: 'download from a repository',
    },
    {
      command: 'kubectl get --raw /apis/external.metrics.k8s.io/v1beta1',
      notRun: 'neither Prometheus nor its adapter is where BigO is tested',
    },
    {
      command: 'bigo render PROFILE --set … -o FOLDER',
      on: 'cluster',
      look: 'cat my-lab/ollama-pvc.yaml',
      seen: '^  namespace: plain$',
    },
    {
      command: 'kubectl apply -f FOLDER/',
      on: 'cluster',
      look: 'kubectl -n plain get service ollama -o name',
      seen: '^service/ollama$',
    },
    {
      command: 'helm install bigo deploy/chart -n llm-operator-system --create-namespace',
      by: 'test/cluster/chart.test.ts',
    },
  ],
  'docs/guides/gpu-time-slicing.md': [
    {
      command: 'bigo gpu time-slicing --replicas 2 --rename > time-slicing.yaml',
      on: 'cluster',
      look: 'cat time-slicing.yaml',
      seen: 'renameByDefault: true',
    },
    {
      command: 'kubectl apply -f time-slicing.yaml',
      on: 'cluster',
      before: 'kubectl create namespace gpu-operator',
      expect: 'configmap/\\S+ created',
    },
    {
      command: 'kubectl -n gpu-operator rollout restart daemonset/nvidia-device-plugin-daemonset',
      on: 'cluster',
      before: 'kubectl -n gpu-operator apply -f plugin.yaml',
      expect: 'restarted',
    },
    {
      command: 'bigo gpu time-slicing --replicas 2 --resource nvidia.com/mig-1g.10gb',
      on: 'machine',
      expect: 'name: nvidia\\.com/mig-1g\\.10gb',
    },
  ],
  'docs/guides/security.md': [
    {
      command: 'bigo keys create alice --models llama3.2:1b --keys keys.yaml',
      on: 'machine',
      look: 'cat keys.yaml',
      seen: 'alice[^]*llama3\\.2:1b',
    },
    {
      command: 'bigo keys create ops --role admin --keys keys.yaml',
      on: 'machine',
      look: 'cat keys.yaml',
      seen: 'ops[^]*role: admin',
    },
    {
      command: 'bigo keys revoke alice --keys keys.yaml',
      on: 'machine',
      look: 'grep -c alice keys.yaml || echo gone',
      seen: 'gone',
    },
    { command: 'bigo doctor -n NAMESPACE', ...nothingBroken },
    {
      command: 'bigo install --namespaces a,b',
      on: 'cluster',
      before: 'kubectl create namespace a && kubectl create namespace b',
      look: 'kubectl get role -A -o name | sort -u; kubectl get clusterrole llm-operator-manager || true',
      seen: 'llm-operator-manager',
    },
  ],
  'docs/guides/sizing.md': [
    {
      command: 'bigo size qwen3:8b --context 16384 --parallel 4 --kv-cache-type q8_0',
      on: 'machine',
      expect: 'KV cache',
    },
    { command: 'bigo size MODEL', on: 'machine', expect: 'KV cache' },
  ],
  'docs/guides/air-gapped.md': [
    { command: 'npm ci', by: 'test/e2e/start.test.ts' },
    {
      command: 'npm run image -- --archive bigo.tar',
      on: 'pods',
      expect: 'bigo\\.tar: ghcr\\.io/bigo/bigo:\\S+, ',
    },
    {
      command: 'docker pull ollama/ollama:0.24.0 && docker save -o ollama.tar ollama/ollama:0.24.0',
      notRun: 'no Docker daemon and no Compose where BigO is tested',
    },
    {
      command: 'sudo ctr --namespace k8s.io images import bigo.tar',
      on: 'pods',
      expect: 'ghcr\\.io/bigo/bigo:',
    },
    {
      command: 'sudo ctr --namespace k8s.io images import ollama.tar',
      on: 'pods',
      expect: 'docker\\.io/ollama/ollama:0\\.24\\.0',
    },
    { command: 'bigo install', on: 'pods', expect: 'looks after every namespace' },
    {
      command: 'bigo install --image registry.internal/bigo:1',
      on: 'cluster',
      look: imageOfOperator,
      seen: '^registry.internal/bigo:1$',
    },
    { command: 'ollama pull llama3.2:1b', notRun: 'download from a repository' },
    {
      command: 'ollama cp llama3.2:1b registry.internal/library/llama3.2:1b',
      on: 'machine',
      expect: 'copied',
      look: 'ollama list',
      seen: '/library/llama3\\.2:1b',
    },
    { command: 'ollama push registry.internal/library/llama3.2:1b', on: 'machine', expect: 'success' },
    { command: 'bigo render homelab -o my-lab', on: 'pods', expect: 'wrote my-lab/ollama-pvc\\.yaml' },
    {
      command: 'kubectl apply -f my-lab/00-prerequisites.yaml -f my-lab/ollama-pvc.yaml',
      on: 'pods',
      expect: 'persistentvolumeclaim/ollama created',
      look: 'kubectl -n ml wait pvc/ollama --for=jsonpath={.status.phase}=Bound --timeout=2m',
      seen: 'condition met',
    },
    {
      command: 'sudo cp -r ~/.ollama/models/. /srv/nfs/VOLUME/',
      on: 'pods',
      look: 'ls /srv/nfs/VOLUME/',
      seen: 'manifests',
    },
    {
      command: 'sudo chown -R 10001:10001 /srv/nfs/VOLUME/',
      on: 'pods',
      look: 'stat -c %u /srv/nfs/VOLUME/manifests',
      seen: '^10001$',
    },
    { command: 'kubectl apply -f my-lab/', on: 'pods', expect: 'deployment.apps/ollama created' },
    {
      command: 'ollama create mine -f Modelfile',
      on: 'machine',
      before: 'echo "FROM ./model.gguf" > Modelfile',
      expect: 'success',
      look: 'ollama list',
      seen: 'mine:latest',
    },
    { command: 'bigo size NAME', on: 'machine', expect: 'KV cache' },
    {
      command: 'bigo size llama3.2:1b --endpoint http://127.0.0.1:11434',
      on: 'machine',
      expect: 'KV cache',
    },
  ],
  'docs/guides/home-lab.md': [
    {
      command: 'bigo render homelab --set host=ollama.home.example.com -o my-lab',
      on: 'pods',
      look: 'cat my-lab/optional/ingress.yaml',
      seen: 'Host\\(`ollama\\.home\\.example\\.com`\\)',
    },
    { command: 'kubectl apply -f my-lab/', on: 'pods', expect: 'deployment.apps/ollama' },
    {
      command: 'kubectl -n ml rollout status deployment/ollama --timeout=15m',
      on: 'pods',
      expect: 'successfully rolled out',
    },
    { command: 'bigo doctor -n ml', on: 'pods', expect: '^ok ' },
    {
      command: 'kubectl apply -f my-lab/optional/ingress.yaml',
      on: 'pods',
      expect: 'ingressroute.traefik.io/ollama created',
    },
    {
      command: 'kubectl -n ml port-forward service/ollama 11434:11434 &',
      on: 'pods',
      expect: 'Forwarding from',
      watch: true,
    },
    {
      command: 'bigo health --endpoint http://127.0.0.1:11434 --model llama3.2:1b',
      on: 'pods',
      expect: 'OK|healthy',
    },
  ],
  'deploy/systemd/README.md': [
    { command: 'npm ci && npm run build', by: 'test/e2e/start.test.ts' },
    { command: 'mkdir -p /opt/bigo /etc/bigo', on: 'machine' },
    {
      command: 'cp -r dist/. /opt/bigo/',
      on: 'machine',
      look: 'node /opt/bigo/bigo.mjs version',
      seen: 'bigo',
    },
    { command: 'cp deploy/systemd/bigo.service /etc/systemd/system/', on: 'machine' },
    {
      command: 'node /opt/bigo/bigo.mjs keys create me --role admin --keys /etc/bigo/keys.yaml',
      on: 'machine',
      expect: 'bigo-',
    },
    {
      command: 'chmod 644 /etc/bigo/keys.yaml',
      on: 'machine',
      look: 'stat -c %a /etc/bigo/keys.yaml',
      seen: '^644$',
    },
    {
      command: 'systemctl daemon-reload && systemctl enable --now bigo',
      notRun: 'systemd is not the first process where BigO is tested',
    },
    { command: 'journalctl -u bigo -f', notRun: 'systemd is not the first process where BigO is tested' },
    {
      command: 'bigo manager --gateway http://127.0.0.1:11434',
      on: 'machine',
      expect: '"event":"ready"',
      watch: true,
    },
  ],
  'deploy/compose/README.md': [
    { command: 'cd deploy/compose', on: 'machine', look: 'ls', seen: 'compose\\.yaml' },
    {
      command: 'echo "BIGO_ADMIN_TOKEN=$(openssl rand -hex 32)" > .env',
      on: 'machine',
      look: 'cat .env',
      seen: '^BIGO_ADMIN_TOKEN=[0-9a-f]{64}$',
    },
    {
      command: '../../bin/bigo keys create me --role admin --keys keys.yaml',
      on: 'machine',
      expect: 'bigo-',
    },
    { command: 'chmod 644 keys.yaml', on: 'machine' },
    {
      command: 'docker compose up -d --build',
      notRun: 'no Docker daemon and no Compose where BigO is tested',
    },
    { command: 'export BIGO_KEY=THE-KEY', on: 'machine' },
    {
      command: '../../bin/bigo pull llama3.2:1b --url http://127.0.0.1:11434',
      on: 'machine',
      expect: 'success|llama3',
    },
    {
      command: '../../bin/bigo run --url http://127.0.0.1:11434 "What is the capital of France?"',
      on: 'machine',
      expect: 'Paris',
    },
    { command: 'docker compose down', notRun: 'no Docker daemon and no Compose where BigO is tested' },
  ],
};
