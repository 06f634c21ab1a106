/**
 * An adapter as the framework calls it: every call has its bound, stated here, and is kept in the ledger of calls. The steps
 * of launches and deletions are bounded by their machine (machine.ts), whose signal lives longer than one step.
 */
import type { Adapter, Inventory, InventoryHost } from '../driver-kit/contract.ts';
import type { Calls } from './calls.ts';

/** Milliseconds. */
export const callBounds = {
  start: 60_000,
  stop: 5000,
  /** One step of a launch or a deletion. */
  step: 60_000,
  listing: 60_000,
  question: 60_000,
  deleteResource: 60_000,
  consoleLog: 60_000,
  unreachable: 30_000,
  /** One look at a host of an inventory, unless the host is given more time. */
  host: 60_000,
} as const;

export function guarded(raw: Adapter, calls: Calls): Adapter {
  const { inventory } = raw;
  return {
    listingIntervalMs: raw.listingIntervalMs ?? 1000,
    createIsIdempotent: raw.createIsIdempotent === true,
    attemptsHaveOwnNames: raw.attemptsHaveOwnNames === true,
    /** May change while it runs. */
    get imageCheckMs() {
      return raw.imageCheckMs ?? 300_000;
    },
    start: (signal) => calls.bounded('starting', callBounds.start, signal, (s) => raw.start(s)),
    stop: () => calls.bounded('stopping', callBounds.stop, null, () => raw.stop()),
    beginCreate: (spec) => raw.beginCreate(spec),
    advanceCreate: (state, spec, context) =>
      calls.noted(`a launch step of node ${spec.nodeId}`, callBounds.step, () =>
        raw.advanceCreate(state, spec, context),
      ),
    beginDelete: (externalId) => raw.beginDelete(externalId),
    advanceDelete: (state, context) =>
      calls.noted('a deletion step', callBounds.step, () => raw.advanceDelete(state, context)),
    listInstances: (signal) =>
      calls.bounded('listing instances', callBounds.listing, signal, (s) => raw.listInstances(s)),
    listResources: (signal) =>
      calls.bounded('listing resources', callBounds.listing, signal, (s) => raw.listResources(s)),
    deleteResource: (resource, signal) =>
      calls.bounded(`deleting a leaked ${resource.type}`, callBounds.deleteResource, signal, (s) =>
        raw.deleteResource(resource, s),
      ),
    quotaLimits: (signal) =>
      calls.bounded('asking for the quota', callBounds.question, signal, (s) => raw.quotaLimits(s)),
    quotaForLabel: (label, signal) =>
      calls.bounded(`asking what label ${label.name} needs`, callBounds.question, signal, (s) =>
        raw.quotaForLabel(label, s),
      ),
    availabilityZones: (signal) =>
      calls.bounded('asking for the zones', callBounds.question, signal, (s) => raw.availabilityZones(s)),
    labelReady: (label, signal) =>
      calls.bounded(`looking up the image of label ${label.name}`, callBounds.question, signal, (s) =>
        raw.labelReady(label, s),
      ),
    consoleLog: async (label, externalId, signal) =>
      raw.consoleLog
        ? calls.bounded('reading the console', callBounds.consoleLog, signal, (s) =>
            raw.consoleLog!(label, externalId, s),
          )
        : null,
    unreachable: async (externalId, signal) =>
      raw.unreachable &&
      calls.bounded('noting an unreachable instance', callBounds.unreachable, signal, (s) =>
        raw.unreachable!(externalId, s),
      ),
    troubles: () => raw.troubles?.() ?? [],
    ...(raw.listImages
      ? {
          listImages: (signal) =>
            calls.bounded('listing images', callBounds.listing, signal, (s) => raw.listImages!(s)),
        }
      : {}),
    ...(inventory ? { inventory: guardedInventory(inventory, calls) } : {}),
  };
}

function guardedInventory(raw: Inventory, calls: Calls): Inventory {
  // Waiting for its turn among many hosts takes time too, and a check looks more than once.
  const boundOf = (host: InventoryHost) => Math.max(callBounds.host, 3 * (host.timeoutMs ?? 0));
  return {
    hosts: raw.hosts,
    check: (host, signal) =>
      calls.bounded(`checking host ${host.name}`, boundOf(host), signal, (s) => raw.check(host, s)),
    alive: (host, signal) =>
      calls.bounded(`looking at host ${host.name}`, boundOf(host), signal, (s) => raw.alive(host, s)),
  };
}
