// @ts-check
/**
 * The recording that all tabs share.
 *
 * Events: "change" (another recording, or another part of it), "trim" (its ends are being dragged), "loading",
 * "problem", "limit", and while it plays "time", "play" and "pause".
 */

import * as api from "../page/api.js";
import { Playback } from "./playback.js";
import { createPanel } from "./panel.js";
import { loadSound, ofBuffer, SERVER_RATE, tooLarge } from "./sound_loading.js";
import { cutWav, encodeWav, wavBytes } from "./wav.js";

/** Shortest part of a recording, in seconds. */
const SHORTEST_S = 0.1;
/** Seconds by which a recording may exceed a limit: its end is rounded. */
const TOLERANCE_S = 0.05;

/**
 * @typedef {"microphone" | "upload" | "example" | "sound" | "history" | "search"} Origin
 * @typedef {{name: string, file: File, origin: Origin, durationS: number, startS: number, endS: number,
 *   isTrimmed: boolean, buffer: AudioBuffer | null, wav: Blob | null, peaks: import("./peaks.js").Peaks}} Current
 */

class Recording extends EventTarget {
  /** @type {Current | null} */
  current = null;
  /** @type {number | null} Longest recording in seconds that the active tab can send. */
  limitS = null;
  #playback = new Playback();
  /** @type {AbortController | null} */
  #loading = null;
  /** @type {HTMLElement | null} */
  #panel = null;

  constructor() {
    super();
    for (const name of ["time", "play", "pause"]) {
      this.#playback.addEventListener(name, () => this.dispatchEvent(new Event(name)));
    }
  }

  /** The part of the page that shows the recording. */
  get panel() {
    this.#panel ??= createPanel(this);
    return this.#panel;
  }

  /** Start of the part that is sent, to which times in results are relative. */
  get offsetS() {
    return this.current?.startS ?? 0;
  }

  /** Whether the recording is longer than the active tab can send. */
  get isTooLong() {
    const { current, limitS } = this;
    return current !== null && limitS !== null && current.endS - current.startS > limitS + TOLERANCE_S;
  }

  /**
   * Return the file to send: the recording as it was given, or the part between its ends as a WAV file.
   * @returns {Promise<File>}
   * @throws {api.Problem} "no-recording", or "too-large" if the server accepts no file of that size
   */
  async file() {
    const { current } = this;
    if (current === null) throw new api.Problem({ type: "no-recording" });
    const { buffer, wav, startS, endS, isTrimmed } = current; // before they can be changed
    const maxBytes = await maxUploadBytes();
    if (!isTrimmed && current.file.size <= maxBytes) return current.file;
    const bytes = buffer
      ? wavBytes((endS - startS) * buffer.sampleRate, buffer.numberOfChannels)
      : wavBytes((endS - startS) * SERVER_RATE, 1);
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    const data = /** @type {Blob} */ (wav);
    const part = buffer ? encodeWav(buffer, startS, endS) : cutWav(data, SERVER_RATE, startS, endS);
    return new File([part], `${stem(current.name)}.wav`, { type: "audio/wav" });
  }

  /**
   * Return the file to send, as `file` does.
   * @throws {api.Problem} as `file`, or "too-long" if it is longer than the active tab can send
   */
  async require() {
    if (this.isTooLong) throw new api.Problem({ type: "too-long", values: { maximum: this.limitS } });
    return this.file();
  }

  /**
   * Take another recording, once it is known that it can be used: until then, and if it cannot, the old one stays.
   * @param {Blob} file audio or video file
   * @param {{name?: string, origin?: Origin, buffer?: AudioBuffer}} [options] buffer: its samples, if they are known
   * @returns {Promise<boolean>} whether it can be used; if not, the panel says why
   */
  async set(file, { name, origin = "upload", buffer } = {}) {
    this.#loading?.abort();
    const own = (this.#loading = new AbortController());
    const { signal } = own;
    const given = asFile(file, name);
    const onProgress = (/** @type {number} */ share) => {
      if (own === this.#loading) this.#dispatch("loading", { isLoading: true, name: given.name, share });
    };
    onProgress(0);
    try {
      const options = { maxUploadBytes: await maxUploadBytes(), signal, onProgress };
      const sound = buffer ? await ofBuffer(buffer, given) : await loadSound(given, options);
      signal.throwIfAborted();
      const { durationS, peaks, wav } = sound;
      const ends = { startS: 0, endS: durationS, isTrimmed: false };
      this.current = { name: given.name, file: given, origin, durationS, ...ends, buffer: sound.buffer, wav, peaks };
      this.#playback.load(sound.playable);
      this.#dispatch("change", { isNew: true });
      return true;
    } catch (error) {
      if (!signal.aborted) this.#dispatch("problem", { problem: error, name: given.name });
      return false;
    } finally {
      if (own === this.#loading) {
        this.#loading = null;
        this.#dispatch("loading", { isLoading: false });
      }
    }
  }

  /**
   * Take a recording of the microphone.
   * @param {AudioBuffer} buffer
   * @param {string} name
   * @returns {Promise<boolean>} whether it can be used
   */
  setMicrophone(buffer, name) {
    return this.set(encodeWav(buffer), { name, origin: "microphone", buffer });
  }

  /** Remove the recording. */
  clear() {
    this.#loading?.abort();
    this.#playback.load(null);
    this.current = null;
    this.#dispatch("change", { isNew: true });
  }

  /**
   * Use a part of the recording.
   * @param {number} startS
   * @param {number} endS
   * @param {boolean} [isFinal] false while its ends are being dragged
   */
  trim(startS, endS, isFinal = true) {
    const { current } = this;
    if (current === null) return;
    const { durationS } = current;
    current.startS = Math.min(Math.max(0, startS), Math.max(0, durationS - SHORTEST_S));
    current.endS = Math.max(Math.min(durationS, endS), Math.min(durationS, current.startS + SHORTEST_S));
    current.isTrimmed = current.startS > 0 || current.endS < durationS;
    this.#dispatch(isFinal ? "change" : "trim", { isNew: false });
  }

  /**
   * Set the longest recording that the active tab can send, in seconds; null if it sends none.
   * @param {number | null} seconds
   */
  setLimit(seconds) {
    this.limitS = seconds;
    this.#dispatch("limit", {});
  }

  /**
   * Show an element under the waveform, on the same horizontal axis, such as a timeline; or none.
   * @param {Element | null} element
   */
  setTimeline(element) {
    this.#dispatch("timeline", { element });
  }

  /**
   * Play the part of the recording that is used, or from one time to another.
   * @param {number} [fromS] by default the current time, or the start after the end
   * @param {number} [toS] by default the end
   */
  play(fromS, toS) {
    const { current } = this;
    if (current === null) return;
    const isWithin = this.currentTime >= current.startS && this.currentTime < current.endS - SHORTEST_S / 2;
    const end = () => toS ?? this.current?.endS ?? 0;
    this.#playback.play(fromS ?? (isWithin ? this.currentTime : current.startS), end);
  }

  pause() {
    this.#playback.pause();
  }

  /** @param {number} seconds */
  seek(seconds) {
    if (this.current !== null) this.#playback.seek(Math.min(Math.max(0, seconds), this.current.durationS));
  }

  get currentTime() {
    return this.#playback.currentTime;
  }

  get paused() {
    return this.#playback.paused;
  }

  /** @param {string} name @param {any} detail */
  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

const maxUploadBytes = async () => (await api.context()).limits.max_upload_mb * 1e6;

/** @param {string} name */
const stem = (name) => name.replace(/\.[^.]+$/, "") || name;

/** @param {Blob} blob @param {string} [name] */
const asFile = (blob, name) => {
  if (blob instanceof File && (name === undefined || name === blob.name)) return blob;
  return new File([blob], name ?? "recording", { type: blob.type });
};

export const recording = new Recording();
