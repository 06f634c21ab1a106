/**
 * The phases of a request that this launcher serves, with what there is in each. What is not written here does not exist.
 *
 *   offered ──accepted──> serving ──ends──> ending ──over──> over
 *
 * From each phase a lost session leads to `over` at once.
 */
import type { Plan, Waiting } from '../../scheduling/plan.ts';
import type { HeldRequest } from '../../store/transactions/operations.ts';
import type { RequestEnding } from './request-ending.ts';
import type { Slot } from './slot.ts';

/** A pool is to serve it, and it is being accepted: nothing is locked yet. */
export interface Offered {
  readonly kind: 'offered';
  /** What it was decided to do with it; null: it is taken over. */
  readonly plan: Plan | null;
  readonly waiting: Waiting | null;
  /** Its znode has vanished: it will be accepted in vain. */
  readonly gone: boolean;
}

/** It is locked and `pending`, and its slots are being filled. */
export interface Serving {
  readonly kind: 'serving';
  readonly held: HeldRequest;
  /** What its open slots wait for; null while they do not. */
  readonly waiting: Waiting | null;
  /** It has given back its nodes, so that earlier requests get theirs. */
  readonly standingBack: StandingBack | null;
  /** It ends in that way as soon as nothing is under way for it; null: it is to be fulfilled. */
  readonly leaving: Leaving | null;
}

export interface StandingBack {
  readonly behind: readonly string[];
  /** Monotonic. */
  readonly untilMs: number;
}

/** `gone`: its znode has vanished · `declining`: the pool cannot serve it. A request that vanishes is not declined any more. */
export type Leaving = { readonly kind: 'gone' } | { readonly kind: 'declining'; readonly reason: string };

/** Nodes and request are given away: nothing is begun any more, and nothing can turn it back. */
export interface Ending {
  readonly kind: 'ending';
  readonly held: HeldRequest;
  readonly gone: boolean;
  readonly ending: RequestEnding;
}

/** Nothing is served under it any more. Work that ends later only lets go of what it has. */
export interface Over {
  readonly kind: 'over';
  /** null: it never was accepted. */
  readonly held: HeldRequest | null;
  readonly gone: boolean;
  /** The session is lost: what was locked belongs to nobody now, and failures to write are to be expected. */
  readonly dropped: boolean;
}

export type RequestPhase = Offered | Serving | Ending | Over;

export type SlotView = Pick<Slot, 'label' | 'state' | 'progress'>;

export type EndDue =
  | { readonly kind: 'withdraw' }
  | { readonly kind: 'hand-back'; readonly reason: string }
  | { readonly kind: 'decline'; readonly reason: string }
  | { readonly kind: 'fulfil' };

export function offered(plan: Plan | null): Offered {
  return { kind: 'offered', plan, waiting: plan?.waiting ?? null, gone: false };
}

export function accepted(phase: RequestPhase, held: HeldRequest): Serving {
  if (phase.kind !== 'offered') throw new Error(`request ${held.id} is accepted, but is ${phase.kind} already`);
  const leaving = phase.gone ? ({ kind: 'gone' } as const) : null;
  return { kind: 'serving', held, waiting: phase.waiting, standingBack: null, leaving };
}

/** Who ends, or has ended, keeps nobody back by waiting. */
export function waitingFor(phase: RequestPhase, waiting: Waiting | null): RequestPhase {
  return phase.kind === 'offered' || phase.kind === 'serving' ? { ...phase, waiting } : phase;
}

/** Its znode has vanished. Null: that changes nothing any more. */
export function vanished(phase: RequestPhase): RequestPhase | null {
  if (isGone(phase)) return null;
  if (phase.kind === 'offered') return { ...phase, gone: true };
  return phase.kind === 'serving' ? { ...phase, leaving: { kind: 'gone' } } : null;
}

export function ends(phase: Serving, ending: RequestEnding): Ending {
  return { kind: 'ending', held: phase.held, gone: isGone(phase), ending };
}

export function over(phase: RequestPhase, dropped: boolean): Over {
  return { kind: 'over', held: heldOf(phase), gone: isGone(phase), dropped: dropped || wasDropped(phase) };
}

export function isGone(phase: RequestPhase): boolean {
  return phase.kind === 'serving' ? phase.leaving?.kind === 'gone' : phase.gone;
}

export function wasDropped(phase: RequestPhase): boolean {
  return phase.kind === 'over' && phase.dropped;
}

export function heldOf(phase: RequestPhase): HeldRequest | null {
  return phase.kind === 'offered' ? null : phase.held;
}

/** Of requests that still wait for nodes, or will when they are accepted. */
export function waitingOf(phase: RequestPhase): Waiting | null {
  return phase.kind === 'offered' || phase.kind === 'serving' ? phase.waiting : null;
}

/** Launches under way, or decided upon. */
export function launchesOf(phase: RequestPhase, slots: readonly SlotView[]): number {
  const decided = phase.kind === 'offered' ? phase.plan : null;
  if (decided) return decided.slots.filter((slot) => slot.kind === 'launch').length;
  return slots.filter((slot) => slot.state === 'launching').length;
}

/** Labels that still need a node, or will when the request is accepted. */
export function openLabelsOf(phase: RequestPhase, slots: readonly SlotView[]): string[] {
  const decided = phase.kind === 'offered' ? phase.plan : null;
  const waiting = decided?.slots.filter((slot) => slot.kind === 'wait');
  return (waiting ?? slots.filter((slot) => slot.state === 'open')).map((slot) => slot.label);
}

/** It waits for room with part of its nodes in its hands, and nothing of it is under way. */
export function isStuck(phase: RequestPhase, slots: readonly SlotView[]): boolean {
  if (phase.kind !== 'serving' || phase.standingBack) return false;
  if (phase.waiting?.kind !== 'resource' && phase.waiting?.kind !== 'refused') return false;
  return (
    slots.some(({ state }) => state === 'done') && slots.every(({ state }) => state === 'done' || state === 'open')
  );
}

/** How a request is to end at once; null: it is not to end. */
export function endDue(phase: RequestPhase, slots: readonly SlotView[], isPoolRetired: boolean): EndDue | null {
  if (phase.kind !== 'serving') return null;
  if (slots.some(({ state }) => state === 'taking' || state === 'launching')) return null;
  if (phase.leaving?.kind === 'gone') return { kind: 'withdraw' };
  if (isPoolRetired && slots.some(({ state }) => state === 'open'))
    return { kind: 'hand-back', reason: 'its pool has left the configuration' };
  if (phase.leaving) return { kind: 'decline', reason: phase.leaving.reason };
  const failed = slots.filter(({ state }) => state === 'failed');
  if (failed.length > 0)
    return { kind: 'decline', reason: failed.map(({ label, progress }) => `${label}: ${progress}`).join('; ') };
  return slots.every(({ state }) => state === 'done') ? { kind: 'fulfil' } : null;
}
