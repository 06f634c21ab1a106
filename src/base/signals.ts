/** Following an AbortSignal that very many follow, e.g. all machines of a launcher. */

const followers = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back when the signal is aborted (not if it already was); returns the function that ends this. One listener a
 * signal: adding and removing thousands of listeners is slow, since EventTarget looks through all of them each time.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let all = followers.get(signal);
  if (!all) {
    const created = new Set<() => void>();
    all = created;
    followers.set(signal, created);
    const tell = () => {
      for (const follower of [...created]) follower();
      created.clear();
    };
    signal.addEventListener('abort', tell, { once: true });
  }
  const set = all;
  set.add(callback);
  return () => set.delete(callback);
}
