/** "Did you mean": the valid word that is nearest to one that isn't. */

export function didYouMean(word: string, valid: Iterable<string>): string {
  const wanted = normal(word);
  let best: string | null = null;
  let distance = Math.max(2, Math.ceil(wanted.length / 3)) + 1;
  if (wanted.length > 64) return '';
  for (const candidate of valid) {
    if (Math.abs(candidate.length - wanted.length) >= distance) continue;
    const d = editDistance(wanted, normal(candidate));
    if (d < distance) [best, distance] = [candidate, d];
  }
  return best === null ? '' : `, did you mean '${best}'?`;
}

const normal = (word: string) => word.toLowerCase().replaceAll('_', '-');

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
