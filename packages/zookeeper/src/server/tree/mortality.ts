/** Znodes that go by themselves: containers that have become empty, TTL znodes that nobody touches. */
import { childrenOf, kindOf, ttlOf, type Znode } from './znode.ts';

/** So many at a time, so that a great clean-up does not hold up everybody else. */
const mostAtOnce = 1000;

export function dueForRemoval(mortals: Iterable<Znode>, nowMs: number): string[] {
  const due: string[] = [];
  for (const node of mortals) {
    if (due.length >= mostAtOnce) break;
    if (childrenOf(node).size > 0) continue;
    // A container that never had a child is still waiting for its first one.
    const gone = kindOf(node) === 'ttl' ? BigInt(Math.floor(nowMs)) - node.mtime > ttlOf(node) : node.created !== 0;
    if (gone) due.push(node.path);
  }
  return due;
}
