/** The toy cloud: machines in memory, under the address of a cloud. A real driver has calls over a network here. */
import type { Runtime } from '../../../src/base/runtime.ts';
import { ProviderError } from '../../../src/driver-kit/errors.ts';

export interface ToyMachine {
  readonly id: string;
  /** Of whoever made it; a second creation with the same one finds the same machine. */
  readonly token: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly memory: number;
  readonly activeAtMs: number;
}

export class ToyCloud {
  readonly machines = new Map<string, ToyMachine>();
  /** The next so many creations fail. */
  failures = 0;
  mostMachines = Number.POSITIVE_INFINITY;
  private serial = 0;

  create(machine: Omit<ToyMachine, 'id'>): ToyMachine {
    for (const there of this.machines.values()) if (there.token === machine.token) return there;
    if (this.failures > 0) {
      this.failures--;
      throw new ProviderError('unknown', 'the cloud could not make the machine');
    }
    if (this.machines.size >= this.mostMachines) throw new ProviderError('quota', 'no more machines are allowed');
    const made = { ...machine, id: `toy-${++this.serial}` };
    this.machines.set(made.id, made);
    return made;
  }
}

const clouds = new Map<string, ToyCloud>();

/** The cloud at that address: what is in it outlives adapters, as it does in a real one. */
export function cloudAt(address: string): ToyCloud {
  const cloud = clouds.get(address) ?? new ToyCloud();
  clouds.set(address, cloud);
  return cloud;
}

export const isActive = (machine: ToyMachine, runtime: Runtime): boolean => runtime.nowMs() >= machine.activeAtMs;
