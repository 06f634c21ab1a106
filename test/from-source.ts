/** For vitest: workspace packages are taken from their source (the condition `source` of their exports), not from their dist. */
const conditions = ['source', 'node', 'module-sync'];

export const fromSource = {
  ssr: { resolve: { conditions, externalConditions: conditions } },
};
