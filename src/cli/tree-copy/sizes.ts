/** What a server takes at once. */

/** Unless `jute.maxbuffer` is raised: Apache's default. The embedded coordinator takes about as much. */
const usualBufferBytes = 0xf_ffff;
/** Of an operation, besides path and data. */
const overheadBytes = 96;

/** Of the request that writes it. */
export const sizeOf = (path: string, bytes: number): number => Buffer.byteLength(path) + bytes + overheadBytes;

export const isTooLarge = (path: string, bytes: number): boolean => sizeOf(path, bytes) > usualBufferBytes;
