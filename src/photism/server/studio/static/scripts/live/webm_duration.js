// @ts-check
/**
 * Write the duration into a WebM file. A browser that records one does not know it at the start, where it stands, and
 * players then cannot seek.
 *
 * RFC 8794 (EBML) and RFC 9559 (Matroska): an element is an ID, a size and content. The element Info of a segment has the
 * Duration, in units of TimestampScale, which browsers leave at a millisecond. The segment has no size of its own.
 */

const INFO = [0x15, 0x49, 0xa9, 0x66];
const DURATION = [0x44, 0x89];
/** Size of a size of eight bytes: its first bits say how long it is. */
const LONG_SIZE_BYTES = 8;
/** Bytes at the start of a file among which Info is. */
const HEAD_BYTES = 4096;

/**
 * Return a WebM file with its duration; the file itself if it is none, or has a duration already.
 * @param {Blob} file
 * @param {number} seconds
 */
export const withDuration = async (file, seconds) => {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const at = indexOf(head, INFO);
  if (at < 0) return file;
  const sizeAt = at + INFO.length;
  const sizeBytes = Math.clz32(head[sizeAt]) - 23; // the number of leading zeros of a byte, and one
  const size = head.slice(sizeAt + 1, sizeAt + sizeBytes).reduce((sum, byte) => sum * 256 + byte, head[sizeAt] & (0xff >> sizeBytes));
  const start = sizeAt + sizeBytes;
  const end = start + size;
  const hasDuration = indexOf(head.subarray(start, end), DURATION) >= 0;
  if (hasDuration || end > head.length) return file;
  const duration = durationElement(1000 * seconds);
  const parts = [head.slice(0, sizeAt), longSize(size + duration.length), head.slice(start, end), duration, file.slice(end)];
  return new Blob(parts, { type: file.type });
};

/** @param {number} milliseconds */
const durationElement = (milliseconds) => {
  const element = new Uint8Array(DURATION.length + 1 + 8);
  element.set([...DURATION, 0x80 | 8]);
  new DataView(element.buffer).setFloat64(DURATION.length + 1, milliseconds);
  return element;
};

/** @param {number} size */
const longSize = (size) => {
  const written = new Uint8Array(LONG_SIZE_BYTES);
  new DataView(written.buffer).setUint32(4, size);
  written[0] = 1;
  return written;
};

/** @param {Uint8Array} bytes @param {number[]} wanted */
const indexOf = (bytes, wanted) => {
  for (let at = 0; at <= bytes.length - wanted.length; at += 1) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
};
