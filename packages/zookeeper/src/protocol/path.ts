/** What may be the path of a znode. */

/** What nearly all paths look like; the rest is looked at closely. */
const longestOrdinary = 1000;
const ordinaryPath = /^(?:\/[\w:=@+-][\w:=@+.-]*)+$/;

/** Paths as Apache's PathUtils accepts them. Returns what is wrong, or null. */
export function pathProblem(path: string, sequential = false): string | null {
  if (path.length === 0) return 'it is empty';
  if (!path.startsWith('/')) return 'it does not start with /';
  if (path === '/' || (path.length <= longestOrdinary && ordinaryPath.test(path))) return null;
  if (path.endsWith('/') && !sequential) return 'it ends with /';
  const parts = path.split('/');
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i]!;
    if (part === '' && !(sequential && i === parts.length - 1)) return 'it has an empty name';
    if (part === '.' || part === '..') return 'relative names are not allowed';
  }
  // biome-ignore lint: control characters are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/u.test(path)) return 'it has an invalid character';
  return null;
}
