// @ts-check
/** The lowest and highest samples of each of some thousand parts of a recording, from which its waveform is drawn. */

/** More parts than a waveform has pixels, also on sharp screens. */
const PARTS = 4096;
/** Samples after which the page may react to its visitor. */
const BLOCK_SAMPLES = 1 << 20;

/** Peaks of a recording whose samples are added in their order. */
export class Peaks {
  #total;
  #done = 0;

  /** @param {number} total number of samples that will be added */
  constructor(total) {
    this.#total = Math.max(1, total);
    this.count = Math.min(this.#total, PARTS);
    this.low = new Float32Array(this.count);
    this.high = new Float32Array(this.count);
  }

  /**
   * Add samples.
   * @param {Float32Array | Int16Array} samples
   * @param {number} scale factor by which they are multiplied, so that full scale is 1
   */
  add(samples, scale = 1) {
    for (let index = 0; index < samples.length; ) {
      const part = Math.min(this.count - 1, Math.floor((this.#done * this.count) / this.#total));
      const partEnd = Math.ceil(((part + 1) * this.#total) / this.count);
      const count = part === this.count - 1 ? samples.length : Math.max(1, partEnd - this.#done);
      const end = Math.min(samples.length, index + count);
      let low = this.low[part];
      let high = this.high[part];
      this.#done += end - index;
      for (; index < end; index += 1) {
        const value = samples[index] * scale;
        if (value < low) low = value;
        else if (value > high) high = value;
      }
      this.low[part] = low;
      this.high[part] = high;
    }
  }

  /** The largest absolute sample so far. */
  get largest() {
    let largest = 0;
    for (let part = 0; part < this.count; part += 1) {
      largest = Math.max(largest, this.high[part], -this.low[part]);
    }
    return largest;
  }
}

/**
 * Return the peaks of a buffer over all its channels.
 * @param {AudioBuffer} buffer
 */
export const peaksOf = async (buffer) => {
  const channels = Array.from({ length: buffer.numberOfChannels }, () => new Peaks(buffer.length));
  for (let start = 0; start < buffer.length; start += BLOCK_SAMPLES) {
    channels.forEach((peaks, index) => peaks.add(buffer.getChannelData(index).subarray(start, start + BLOCK_SAMPLES)));
    await new Promise((resolve) => setTimeout(resolve));
  }
  const [first, ...others] = channels;
  for (const other of others) {
    for (let part = 0; part < first.count; part += 1) {
      first.low[part] = Math.min(first.low[part], other.low[part]);
      first.high[part] = Math.max(first.high[part], other.high[part]);
    }
  }
  return first;
};
