// @ts-check
/** Audio worklet "pcm": posts the samples of its input, as Float32Array of some hundredths of a second. */

const BLOCK_SAMPLES = 2048;

// @ts-expect-error: types of worklets are not among those of pages
class Pcm extends AudioWorkletProcessor {
  #block = new Float32Array(BLOCK_SAMPLES);
  #count = 0;

  constructor() {
    super();
    // The last block is shorter: it is asked for when the recording ends.
    this.port.onmessage = () => {
      this.port.postMessage(this.#block.slice(0, this.#count));
      this.port.postMessage(null);
      this.#count = 0;
    };
  }

  /** @param {Float32Array[][]} inputs */
  process([[samples]]) {
    if (!samples) return true;
    for (const sample of samples) {
      this.#block[this.#count] = sample;
      this.#count += 1;
      if (this.#count === BLOCK_SAMPLES) {
        this.port.postMessage(this.#block.slice());
        this.#count = 0;
      }
    }
    return true;
  }
}

// @ts-expect-error: as above
registerProcessor("pcm", Pcm);
