// @ts-check
/**
 * Load a recording: its duration, its waveform, and something that the browser can play.
 *
 * The browser decodes what it can and what fits into memory. The server decodes the rest: formats that the browser does
 * not know, and recordings so long that their samples would take hundreds of megabytes.
 */

import * as api from "../page/api.js";
import { Peaks, peaksOf } from "./peaks.js";
import { DEFAULT_RATE, samplingRate } from "./sampling_rate.js";
import { encodeWav, wavBytes } from "./wav.js";

const MEGABYTE = 1e6;
/** Largest file that is read into memory. */
const MAX_FILE_BYTES = 256 * MEGABYTE;
/** Rate and full scale of what the server decodes. */
export const SERVER_RATE = 16000;
const FULL_SCALE = 32768;
const WAV_HEADER_BYTES = 44;
const PROBE_MS = 10000;
/** Bytes a second of a file whose duration is not known, at least: those of speech at 16 kbit/s. */
const LOWEST_BYTE_RATE = 2000;

/**
 * @typedef {{durationS: number, peaks: Peaks, buffer: AudioBuffer | null, wav: Blob | null, playable: Blob}} Sound
 *   buffer: its samples, if the browser decoded it; wav: those at 16 kHz, if the server did; playable: what the browser
 *   can play
 */

/**
 * Load a recording.
 * @param {Blob} file
 * @param {{maxUploadBytes: number, signal: AbortSignal, onProgress: (share: number) => void}} options
 * @returns {Promise<Sound>}
 * @throws {api.Problem} if it is empty, too large, or has no sound that can be decoded
 */
export const loadSound = async (file, { maxUploadBytes, signal, onProgress }) => {
  if (!file.size) throw new api.Problem({ type: "empty-file" });
  const durationS = await playableDuration(file);
  signal.throwIfAborted();
  const isTimed = Number.isFinite(durationS);
  const expectedS = isTimed ? Number(durationS) : file.size / LOWEST_BYTE_RATE;
  const isShort = file.size <= MAX_FILE_BYTES && wavBytes(expectedS * DEFAULT_RATE, 2) <= maxUploadBytes;
  const buffer = durationS !== null && isShort ? await decodeInBrowser(file) : null;
  signal.throwIfAborted();
  if (buffer !== null) return ofBuffer(buffer, isTimed ? file : null);
  if (file.size > maxUploadBytes) throw tooLarge(maxUploadBytes);
  const { wav, peaks } = await decodeOnServer(file, signal, onProgress);
  // The browser plays videos also without their sound, if it cannot decode that.
  const playable = isTimed && !isShort && file.type.startsWith("audio/") ? file : wav;
  return { durationS: (wav.size - WAV_HEADER_BYTES) / 2 / SERVER_RATE, peaks, buffer: null, wav, playable };
};

/**
 * Return a sound whose samples are known.
 * @param {AudioBuffer} buffer
 * @param {Blob | null} playable file that the browser can play
 * @returns {Promise<Sound>}
 */
export const ofBuffer = async (buffer, playable) => {
  const peaks = await peaksOf(buffer);
  return { durationS: buffer.duration, peaks, buffer, wav: null, playable: playable ?? encodeWav(buffer) };
};

/**
 * Return the problem of a recording that is too large to be sent.
 * @param {number} maxBytes
 */
export const tooLarge = (maxBytes) =>
  new api.Problem({ type: "too-large", values: { maximum: Math.floor(maxBytes / MEGABYTE) } });

/**
 * Return the duration of a file that the browser can play, Infinity if the file does not say it, and null if it cannot.
 * @param {Blob} file
 * @returns {Promise<number | null>}
 */
const playableDuration = (file) =>
  new Promise((resolve) => {
    const element = new Audio();
    const address = URL.createObjectURL(file);
    const finish = (/** @type {number | null} */ found) => {
      clearTimeout(timer);
      element.removeAttribute("src");
      URL.revokeObjectURL(address);
      resolve(found);
    };
    const timer = setTimeout(() => finish(null), PROBE_MS);
    element.preload = "metadata";
    element.addEventListener("loadedmetadata", () => finish(element.duration));
    element.addEventListener("error", () => finish(null), { once: true });
    element.src = address;
  });

/**
 * Return the samples of a file at its own rate, or null if the browser cannot decode it.
 * @param {Blob} file
 */
const decodeInBrowser = async (file) => {
  try {
    const data = await file.arrayBuffer();
    const context = new OfflineAudioContext({ length: 1, sampleRate: samplingRate(data) });
    const buffer = await context.decodeAudioData(data);
    return buffer.length ? buffer : null;
  } catch {
    return null;
  }
};

/**
 * @param {Blob} file
 * @param {AbortSignal} signal
 * @param {(share: number) => void} onProgress
 */
const decodeOnServer = async (file, signal, onProgress) => {
  const response = await api.post("v1/decode", { file }, { signal });
  /** @type {Uint8Array[]} */
  const parts = [];
  let rest = new Uint8Array(0);
  let received = 0;
  try {
    const [stream, total] = await streamOf(response);
    const peaks = new Peaks((total - WAV_HEADER_BYTES) / 2);
    const reader = stream.getReader();
    for (let read = await reader.read(); read.value; read = await reader.read()) {
      parts.push(read.value);
      const header = Math.min(read.value.length, Math.max(0, WAV_HEADER_BYTES - received));
      received += read.value.length;
      rest = addSamples(peaks, rest, read.value.subarray(header));
      onProgress(received / total);
    }
    return { wav: new Blob(/** @type {BlobPart[]} */ (parts), { type: "audio/wav" }), peaks };
  } catch (error) {
    throw new api.Problem({ type: signal.aborted ? "cancelled" : "unreachable", detail: String(error) });
  }
};

/**
 * Return the body of an answer and its length, for which it is read first if a proxy has removed the length.
 * @param {Response} response
 * @returns {Promise<[ReadableStream<Uint8Array>, number]>}
 */
const streamOf = async (response) => {
  const length = Number(response.headers.get("Content-Length"));
  if (length && response.body) return [response.body, length];
  const blob = await response.blob();
  return [blob.stream(), blob.size];
};

/**
 * Add 16-bit samples to peaks, and return the half of a sample that is left at the end of the bytes.
 * @param {Peaks} peaks
 * @param {Uint8Array} before half of a sample, or nothing
 * @param {Uint8Array} bytes
 */
const addSamples = (peaks, before, bytes) => {
  const joined = new Uint8Array(before.length + bytes.length);
  joined.set(before);
  joined.set(bytes, before.length);
  const whole = joined.length - (joined.length % 2);
  peaks.add(new Int16Array(joined.buffer, 0, whole / 2), 1 / FULL_SCALE);
  return joined.slice(whole);
};
