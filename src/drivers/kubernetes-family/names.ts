/** Which names Kubernetes takes: objects are named after pools and labels, and carry names as the values of labels. */

const longestDnsLabel = 63;
/** `-`, ten digits of a node's id, `-`, the number of the attempt. */
const roomForNode = 13;

/** What is wrong with a name that becomes (the beginning of) a namespace's, a project's, a pod's or a container's. */
export function dnsLabelProblem(name: string, what: 'whole' | 'with node id'): string | null {
  const longest = what === 'whole' ? longestDnsLabel : longestDnsLabel - roomForNode;
  if (name.length > longest) return `has ${name.length} characters, Kubernetes takes ${longest} here`;
  const end = what === 'whole' ? '[a-z0-9]' : '[-a-z0-9]';
  if (new RegExp(`^[a-z0-9](?:[-a-z0-9]*${end})?$`).test(name)) return null;
  const allowed = 'lower case letters, digits and dashes, beginning';
  return `is no name for Kubernetes: ${allowed}${what === 'whole' ? ' and ending' : ''} with a letter or digit`;
}

/** What is wrong with the value of a label of an object. */
export function labelValueProblem(value: string): string | null {
  if (value.length > longestDnsLabel) {
    return `has ${value.length} characters, Kubernetes takes ${longestDnsLabel} as the value of a label`;
  }
  if (/^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(value)) return null;
  return 'is no value of a label for Kubernetes: letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit';
}
