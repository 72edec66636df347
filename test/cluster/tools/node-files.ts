// The configuration files of a test node's servers, as text. Never reads or writes anything.

export function networkJson(of: { readonly folder: string; readonly podCidr: string }): string {
  const ranges = [[{ subnet: of.podCidr }]];
  const ipam = {
    type: 'host-local',
    ranges,
    dataDir: `${of.folder}/addresses`,
    routes: [{ dst: '0.0.0.0/0' }],
  };
  // Point to point, not a bridge: every packet between pods passes the Service rules, without a kernel module.
  const plugins = [
    { type: 'ptp', ipMasq: false, ipam },
    { type: 'portmap', capabilities: { portMappings: true } },
  ];
  return JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins });
}

export function containerdToml(of: { readonly folder: string; readonly pauseImage: string }): string {
  return `version = 2
root = "${of.folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "${of.folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${of.pauseImage}"
  # Inside a container root may not lower the score that decides who is ended first.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${of.folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "${of.folder}/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`;
}

/** All that is pulled from a registry of images comes from `url`, whoever signed its certificate. */
export function mirrorToml(url: string): string {
  return `server = "${url}"
[host."${url}"]
  capabilities = ["pull", "resolve"]
  skip_verify = true
`;
}

interface KubeletOf {
  readonly folder: string;
  readonly address: string;
  readonly cgroup: string;
}

export function kubeletYaml(of: KubeletOf): string {
  return `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: ${of.cgroup}
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://${of.folder}/containerd.sock
podLogsDir: ${of.folder}/logs
enforceNodeAllocatable: []
resolvConf: ""
clusterDNS: ["${of.address}"]
clusterDomain: cluster.local
imageMinimumGCAge: 240h
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
nodeStatusUpdateFrequency: 5s
syncFrequency: 5s
`;
}

interface NamesOf {
  readonly address: string;
  readonly kubeconfig: string;
  /** Lines of a hosts file. */
  readonly hosts: readonly string[];
}

export function corefile({ address, kubeconfig, hosts }: NamesOf): string {
  // Without a file it would read this machine's.
  const outside = `hosts /dev/null {\n    ${hosts.join('\n    ')}\n    fallthrough\n  }`;
  return `.:53 {
  bind ${address}
  ${hosts.length === 0 ? '' : outside}
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig ${kubeconfig} test
    ttl 1
  }
  errors
}
`;
}
