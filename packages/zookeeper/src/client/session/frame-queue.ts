/** Frames that wait to be handled, first in, first out; taking one costs the same however many there are. */
export class FrameQueue {
  private frames: Buffer[] = [];
  private taken = 0;

  get size(): number {
    return this.frames.length - this.taken;
  }

  first(): Buffer | undefined {
    return this.frames[this.taken];
  }

  push(frame: Buffer): void {
    this.frames.push(frame);
  }

  dropFirst(): void {
    this.taken++;
    if (this.taken === this.frames.length) this.clear();
    else if (this.taken >= 1024 && this.taken * 2 >= this.frames.length) {
      this.frames = this.frames.slice(this.taken);
      this.taken = 0;
    }
  }

  clear(): void {
    this.frames = [];
    this.taken = 0;
  }
}
