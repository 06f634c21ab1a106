/** The paths of the contract: the only place that knows them. */
export const paths = {
  root: '/nodepool',
  requests: '/nodepool/requests',
  requestLocks: '/nodepool/requests-lock',
  nodes: '/nodepool/nodes',
  images: '/nodepool/images',
  statsElection: '/nodepool/elections/stats',
  components: '/nodepool/components',
  /** Of this implementation alone. */
  health: '/nodepool/health',
  request: (id: string) => `/nodepool/requests/${id}`,
  requestLock: (id: string) => `/nodepool/requests-lock/${id}`,
  node: (id: string) => `/nodepool/nodes/${id}`,
  nodeLock: (id: string) => `/nodepool/nodes/${id}/lock`,
  /** Ours alone: guards the registration of a host that several launchers may have in their configuration. */
  hostLock: (provider: string, host: string) =>
    `/nodepool/inventory-lock/${encodeURIComponent(provider)}/${encodeURIComponent(host)}`,
  image: (image: string) => `/nodepool/images/${image}`,
  /** Its existence is the flag. */
  imagePause: (image: string) => `/nodepool/images/${image}/pause`,
  /** Its existence is the flag. */
  buildRequest: (image: string) => `/nodepool/images/${image}/request-build`,
  builds: (image: string) => `/nodepool/images/${image}/builds`,
  build: (image: string, build: string) => `/nodepool/images/${image}/builds/${build}`,
  buildLock: (image: string) => `/nodepool/images/${image}/builds/lock`,
  buildProviders: (image: string, build: string) => `/nodepool/images/${image}/builds/${build}/providers`,
  uploads: (image: string, build: string, provider: string) =>
    `/nodepool/images/${image}/builds/${build}/providers/${provider}/images`,
  component: (kind: string) => `/nodepool/components/${kind}`,
} as const;

export const lastName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
