/** The interface between the driver and a cloud, near or far. */
import type { QuotaLimits } from '../../provider/adapter.ts';
import type { CreateAnswer, FakeServer, FakeServerSpec } from './cloud.ts';

export interface CloudPort {
  create(spec: FakeServerSpec, signal: AbortSignal): Promise<CreateAnswer>;
  /** Milliseconds until the server is active; null when it never will be; undefined when there is none. */
  activeInMs(id: string, signal: AbortSignal): Promise<number | null | undefined>;
  list(signal: AbortSignal): Promise<readonly FakeServer[]>;
  delete(id: string, signal: AbortSignal): Promise<boolean>;
  quota(signal: AbortSignal): Promise<QuotaLimits>;
  zones(signal: AbortSignal): Promise<readonly string[]>;
  hasImage(name: string, signal: AbortSignal): Promise<boolean>;
}
