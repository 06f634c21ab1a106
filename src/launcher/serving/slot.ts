/** One label of an accepted request, from open to a node of its own. */
import type { NodeFields } from '../../records/node.ts';
import type { HeldNode } from '../../store/transactions/operations.ts';
import type { Reservation } from '../pools/node-accounting.ts';

export type SlotState = 'open' | 'taking' | 'launching' | 'done' | 'failed';

export class Slot {
  readonly label: string;
  state: SlotState = 'open';
  node: HeldNode | null = null;
  /** Written when the node is handed over. */
  fields: NodeFields = {};
  /** False when `fields` have been written already. */
  unwritten = true;
  reservation: Reservation | null = null;
  tenantHold: Reservation | null;
  progress = '';
  /** It has a node in the request's zone, or asks for one there at this moment. */
  bound = false;

  constructor(label: string, tenantHold: Reservation | null) {
    this.label = label;
    this.tenantHold = tenantHold;
  }

  /** What was counted for it ahead of its documents. */
  releaseHolds(): void {
    this.reservation?.release();
    this.reservation = null;
    this.tenantHold?.release();
    this.tenantHold = null;
  }
}
