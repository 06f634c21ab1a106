/** How large a write is, and how large a server takes it. */

/** Apache's default of `jute.maxbuffer`. The embedded coordinator takes about as much. */
const usualBufferBytes = 0xf_ffff;
/** Bytes of an operation besides its path and data. */
const overheadBytes = 96;

/** The size of the request that writes a znode. */
export const sizeOf = (path: string, bytes: number): number => Buffer.byteLength(path) + bytes + overheadBytes;

export const isTooLarge = (path: string, bytes: number): boolean => sizeOf(path, bytes) > usualBufferBytes;
