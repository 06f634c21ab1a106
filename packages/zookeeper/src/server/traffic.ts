/** Counters of the whole server, for the four-letter words. */
export class Traffic {
  received = 0;
  sent = 0;
  private answers = 0;
  private sumMs = 0;
  private leastMs = Infinity;
  private mostMs = 0;

  /** An answer has gone out, so long after its request. */
  answered(latencyMs: number): void {
    this.answers++;
    this.sumMs += latencyMs;
    if (latencyMs < this.leastMs) this.leastMs = latencyMs;
    if (latencyMs > this.mostMs) this.mostMs = latencyMs;
  }

  get latency(): { minMs: number; averageMs: number; maxMs: number } {
    if (this.answers === 0) return { minMs: 0, averageMs: 0, maxMs: 0 };
    return { minMs: Math.floor(this.leastMs), averageMs: this.sumMs / this.answers, maxMs: Math.ceil(this.mostMs) };
  }
}
