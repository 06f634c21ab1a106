/** What a PromQL expression uses, as far as our dashboard and rules need it: metrics with labels, and labels of groupings. */
interface Use {
  readonly metric: string;
  readonly labels: readonly string[];
}

const words = new Set(['and', 'or', 'unless', 'bool', 'offset', 'by', 'without', 'on', 'ignoring', 'inf', 'nan']);
const groupings = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const names = (list: string): string[] => list.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));

export function usesOf(expression: string): { readonly uses: readonly Use[]; readonly grouped: readonly string[] } {
  // Strings and ranges may contain anything.
  const bare = expression.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').replaceAll(/\[[^\]]*\]/g, '');
  const grouped = [...bare.matchAll(groupings)].flatMap(([, list]) => names(list!));
  const uses: Use[] = [];
  for (const [, metric, after] of bare.replaceAll(groupings, ' ').matchAll(/\b([a-z_:][\w:]*)\s*(\{[^}]*\}|\()?/gi)) {
    if (after === '(' || words.has(metric!.toLowerCase())) continue;
    const labels = after === undefined ? [] : after.slice(1, -1).split(',');
    uses.push({ metric: metric!, labels: labels.map((one) => /^\s*(\w*)/.exec(one)![1]!).filter((one) => one !== '') });
  }
  return { uses, grouped };
}
