/**
 * Open requests in order, by lanes: those that are alike (same labels, same pools) have the same fate in one pass, so that a
 * pass looks at the first ones of each lane only, however long the queue is.
 */
import { compareRequests, type RequestRecord } from '../../records/request.ts';
import type { ServedPool } from '../pools/served-pool.ts';
import { SortedList } from '../../base/sorted-list.ts';

export interface OpenRequest {
  readonly request: RequestRecord;
  /** That could serve it, the best priority first. */
  readonly pools: readonly ServedPool[];
  /** Requests with the same key are alike. */
  readonly lane: string;
}

/** `taken`: it leaves the queue · `blocked`: it stays, and so does everything behind it in its lane. */
export type Verdict = 'taken' | 'blocked';

export const compareOpen = (a: OpenRequest, b: OpenRequest) => compareRequests(a.request, b.request);

export class RequestQueue {
  private readonly lanes = new Map<string, SortedList<OpenRequest>>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  insert(open: OpenRequest): void {
    let lane = this.lanes.get(open.lane);
    if (!lane) this.lanes.set(open.lane, (lane = new SortedList(compareOpen)));
    lane.insert(open);
    this.count++;
  }

  remove(open: OpenRequest): void {
    const lane = this.lanes.get(open.lane);
    if (!lane?.remove(open)) return;
    this.count--;
    if (lane.size === 0) this.lanes.delete(open.lane);
  }

  /** Shows the requests in order, as far as each lane is not blocked. */
  visit(show: (open: OpenRequest) => Verdict): void {
    const heads = new SortedList(compareOpen);
    for (const lane of this.lanes.values()) heads.insert(lane.first()!);
    for (let open = heads.first(); open; open = heads.first()) {
      heads.remove(open);
      if (show(open) === 'blocked') continue;
      const lane = this.lanes.get(open.lane);
      this.remove(open);
      const next = lane?.first();
      if (next) heads.insert(next);
    }
  }
}
