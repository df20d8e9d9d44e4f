// @ts-check
/** Play a recording, or a part of it. */

const EVENT_MS = 40;

/** A recording that can be played: it dispatches "play", "pause" and, at most 25 times a second, "time". */
export class Playback extends EventTarget {
  #element = new Audio();
  #address = "";
  #endS = () => Infinity;
  #eventMs = 0;

  constructor() {
    super();
    this.#element.preload = "auto";
    for (const name of ["play", "pause"]) {
      this.#element.addEventListener(name, () => this.dispatchEvent(new Event(name)));
    }
    this.#element.addEventListener("play", () => requestAnimationFrame(() => this.#follow()));
    this.#element.addEventListener("timeupdate", () => this.#stopAtEnd()); // also in a tab that is not in sight
    this.#element.addEventListener("seeked", () => this.dispatchEvent(new Event("time")));
  }

  /**
   * Take another recording, or none.
   * @param {Blob | null} blob
   */
  load(blob) {
    this.pause();
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = blob ? URL.createObjectURL(blob) : "";
    if (blob) this.#element.src = this.#address;
    else this.#element.removeAttribute("src");
  }

  /**
   * Play from one time to another.
   * @param {number} fromS
   * @param {() => number} endS returns the end, which may change meanwhile
   */
  async play(fromS, endS) {
    this.#endS = endS;
    this.#element.currentTime = fromS;
    try {
      await this.#element.play();
    } catch {
      this.dispatchEvent(new Event("pause")); // another recording, or a pause, came first
    }
  }

  pause() {
    this.#element.pause();
  }

  /** @param {number} seconds */
  seek(seconds) {
    this.#element.currentTime = seconds;
  }

  get currentTime() {
    return this.#element.currentTime;
  }

  get paused() {
    return this.#element.paused;
  }

  #stopAtEnd() {
    if (!this.paused && this.currentTime >= this.#endS()) {
      this.pause();
      this.seek(this.#endS());
    }
  }

  #follow() {
    if (this.paused) return;
    this.#stopAtEnd();
    if (performance.now() - this.#eventMs >= EVENT_MS) {
      this.#eventMs = performance.now();
      this.dispatchEvent(new Event("time"));
    }
    requestAnimationFrame(() => this.#follow());
  }
}
