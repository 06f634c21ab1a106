/** What a kind of request is: its number, its two bodies in both directions, and what a client may do with it. */
import type { JuteReader, JuteWriter } from '../jute.ts';

/**
 * The client writes requests and reads responses, the server does the opposite. `Given` is what the server has in hand for
 * a response, where that is not what the client makes of it.
 */
export interface Message<Request, Response, Given = Response> {
  readonly op: number;
  /** Done twice it leaves what it leaves when done once, so that a client may send it again when the answer was lost. */
  readonly repeatable: boolean;
  /** The body of a refusal tells more than the code in its header. */
  readonly explainsRefusals?: true;
  /** About how many bytes the request takes; without it, a small one. */
  readonly sizeOf?: (request: Request) => number;
  readonly writeRequest: (w: JuteWriter, request: Request) => void;
  readonly readRequest: (r: JuteReader) => Request;
  readonly writeResponse: (w: JuteWriter, response: Given) => void;
  readonly readResponse: (r: JuteReader) => Response;
}

export interface PathRequest {
  readonly path: string;
}

export const pathRequest = {
  writeRequest: (w: JuteWriter, { path }: PathRequest): void => void w.string(path),
  readRequest: (r: JuteReader): PathRequest => ({ path: r.string() }),
};

/** A read that may leave a one-shot watch. */
export interface WatchingRequest {
  readonly path: string;
  readonly watch: boolean;
}

export const watchingRequest = {
  writeRequest: (w: JuteWriter, { path, watch }: WatchingRequest): void => void w.string(path).bool(watch),
  readRequest: (r: JuteReader): WatchingRequest => ({ path: r.string(), watch: r.bool() }),
};

/** The answer's header says it all. */
export const noResponse = {
  writeResponse: (): void => undefined,
  readResponse: (): void => undefined,
};

export const noRequest = {
  writeRequest: (): void => undefined,
  readRequest: (): void => undefined,
};
