// @ts-check
/** Read the sampling rate of an audio file, which browsers do not report: they resample to a rate that is given. */

/** Rate of Opus, and of files whose rate is not found. */
export const DEFAULT_RATE = 48000;
/** Rates that every browser can decode to, in Hz. */
const LOWEST = 8000;
const HIGHEST = 96000;
const MP3_RATES = [44100, 48000, 32000];
const SEARCHED_BYTES = 1 << 18;

/**
 * Return the sampling rate of a file in Hz: that of WAV, FLAC, Ogg, WebM, MP4 and MP3, or else 48,000.
 * @param {ArrayBuffer} data
 */
export const samplingRate = (data) => {
  const bytes = new Uint8Array(data);
  const view = new DataView(data);
  for (const read of [ofWav, ofFlac, ofOgg, ofMp4, ofWebm, ofMp3]) {
    const rate = read(bytes, view);
    if (rate !== null) return rate >= LOWEST && rate <= HIGHEST ? rate : DEFAULT_RATE;
  }
  return DEFAULT_RATE;
};

/** @typedef {(bytes: Uint8Array, view: DataView) => number | null} Reader */

/** @type {Reader} */
const ofWav = (bytes, view) => {
  if (!isAt(bytes, 0, "RIFF")) return null;
  const at = find(bytes, "fmt ", 12);
  return at >= 0 && at + 16 <= bytes.length ? view.getUint32(at + 12, true) : null;
};

/** @type {Reader} STREAMINFO has 20 bits of it */
const ofFlac = (bytes) =>
  isAt(bytes, 0, "fLaC") && bytes.length > 20 ? (bytes[18] << 12) | (bytes[19] << 4) | (bytes[20] >> 4) : null;

/** @type {Reader} */
const ofOgg = (bytes, view) => {
  if (!isAt(bytes, 0, "OggS")) return null;
  const at = find(bytes, "\u0001vorbis", 0);
  return at >= 0 && at + 16 <= bytes.length ? view.getUint32(at + 12, true) : DEFAULT_RATE;
};

/** @type {Reader} the entry of the sound in the sample table, which stands before or after the samples */
const ofMp4 = (bytes, view) => {
  if (!isAt(bytes, 4, "ftyp")) return null;
  const first = find(bytes, "mp4a", 0);
  const at = first >= 0 ? first : find(bytes, "mp4a", Math.max(0, bytes.length - SEARCHED_BYTES));
  return at >= 0 && at + 32 <= bytes.length ? view.getUint16(at + 28) : DEFAULT_RATE;
};

/** @type {Reader} the element SamplingFrequency (B5), a float of 4 or 8 bytes */
const ofWebm = (bytes, view) => {
  if (!isAt(bytes, 0, "\u001aE\u00df\u00a3")) return null;
  for (let at = 0; at + 10 < Math.min(bytes.length, SEARCHED_BYTES); at += 1) {
    if (bytes[at] !== 0xb5) continue;
    const size = bytes[at + 1] & 0x7f;
    const rate = size === 4 ? view.getFloat32(at + 2) : size === 8 ? view.getFloat64(at + 2) : 0;
    if (rate >= LOWEST && rate <= HIGHEST) return Math.round(rate);
  }
  return DEFAULT_RATE;
};

/** @type {Reader} the header of the first frame, after the tags */
const ofMp3 = (bytes) => {
  const tag = isAt(bytes, 0, "ID3") ? 10 + [6, 7, 8, 9].reduce((size, at) => (size << 7) | bytes[at], 0) : 0;
  if (bytes[tag] !== 0xff || (bytes[tag + 1] & 0xe0) !== 0xe0) return null;
  const version = (bytes[tag + 1] >> 3) & 3; // 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
  const rate = MP3_RATES[(bytes[tag + 2] >> 2) & 3];
  return rate === undefined ? null : rate / (version === 3 ? 1 : version === 2 ? 2 : 4);
};

/** @param {Uint8Array} bytes @param {number} at @param {string} text */
const isAt = (bytes, at, text) => [...text].every((letter, index) => bytes[at + index] === letter.charCodeAt(0));

/** @param {Uint8Array} bytes @param {string} text @param {number} from */
const find = (bytes, text, from) => {
  const end = Math.min(bytes.length - text.length, from + SEARCHED_BYTES);
  for (let at = bytes.indexOf(text.charCodeAt(0), from); at >= 0 && at <= end; ) {
    if (isAt(bytes, at, text)) return at;
    at = bytes.indexOf(text.charCodeAt(0), at + 1);
  }
  return -1;
};
