/** "Did you mean": finds the valid word that is nearest to a wrong one. */

/** The nearest valid word; where none is near, all valid words, unless they are many. */
export function hint(word: string, valid: readonly string[]): string {
  const near = didYouMean(word, valid);
  if (near !== '' || valid.length === 0 || valid.length > mostListed) return near;
  return valid.length === 1 ? `, valid is ${valid[0]!}` : `, valid are ${valid.join(', ')}`;
}

const mostListed = 8;

export function didYouMean(word: string, valid: Iterable<string>): string {
  const wanted = normal(word);
  let best: string | null = null;
  let distance = tolerance(wanted) + 1;
  if (wanted.length > 64) return '';
  for (const candidate of valid) {
    const d = distanceOf(wanted, normal(candidate), distance);
    if (d < distance) [best, distance] = [candidate, d];
  }
  return best === null ? '' : `, did you mean '${best}'?`;
}

const normal = (word: string) => word.toLowerCase().replaceAll('_', '-');

const tolerance = (word: string) => (word.length <= 4 ? 1 : Math.max(2, Math.ceil(word.length / 3)));

/** Words that differ by whole parts are near. A distance of `most` or more need not be exact. */
function distanceOf(wanted: string, candidate: string, most: number): number {
  if (wanted === candidate) return 0;
  if (candidate.startsWith(`${wanted}-`) || wanted.startsWith(`${candidate}-`)) return 1;
  return Math.abs(candidate.length - wanted.length) >= most ? most : editDistance(wanted, candidate);
}

/** The number of changed, added, lost and swapped characters. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next.push(
        Math.min(
          row[j]! + 1,
          next[j - 1]! + 1,
          row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
          swapped ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    [before, row] = [row, next];
  }
  return row[b.length]!;
}
