/** An operation that the server refuses; `code` is one of ZooKeeper's (protocol/constants.ts). */
export class Refusal extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`refused with ${code}`);
    this.name = 'Refusal';
    this.code = code;
  }
}

/** One operation of a transaction was refused, so none of them has happened. */
export class RefusedTransaction extends Refusal {
  readonly index: number;

  constructor(code: number, index: number) {
    super(code);
    this.index = index;
  }
}
