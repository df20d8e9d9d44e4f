// @ts-check
/** Write WAV files with 16-bit samples. */

const HEADER_BYTES = 44;
const SAMPLE_BYTES = 2;
const FULL_SCALE = 32768;
/** Frames that are converted at once, so that a long recording is not held twice as one block. */
const BLOCK_FRAMES = 1 << 20;

/**
 * Return the size in bytes of a WAV file.
 * @param {number} frames samples of each channel
 * @param {number} channels
 */
export const wavBytes = (frames, channels) => HEADER_BYTES + frames * channels * SAMPLE_BYTES;

/**
 * Return a WAV file of some seconds of a buffer, at its sampling rate and with its channels.
 * @param {AudioBuffer} buffer
 * @param {number} startS
 * @param {number} endS
 */
export const encodeWav = (buffer, startS = 0, endS = buffer.duration) => {
  const { sampleRate, numberOfChannels } = buffer;
  const start = Math.round(startS * sampleRate);
  const end = Math.min(buffer.length, Math.round(endS * sampleRate));
  const parts = /** @type {BlobPart[]} */ ([header(end - start, numberOfChannels, sampleRate)]);
  for (let from = start; from < end; from += BLOCK_FRAMES) {
    parts.push(interleave(buffer, from, Math.min(end, from + BLOCK_FRAMES)));
  }
  return new Blob(parts, { type: "audio/wav" });
};

/**
 * Return a WAV file of some seconds of a WAV file as /v1/decode sends it: one channel after a header of 44 bytes.
 * @param {Blob} wav
 * @param {number} rate sampling rate in Hz
 * @param {number} startS
 * @param {number} endS
 */
export const cutWav = (wav, rate, startS, endS) => {
  const start = HEADER_BYTES + SAMPLE_BYTES * Math.round(startS * rate);
  const end = Math.min(wav.size, HEADER_BYTES + SAMPLE_BYTES * Math.round(endS * rate));
  return wavOfSamples([wav.slice(start, end)], rate);
};

/**
 * Return a WAV file of 16-bit samples of one channel, without a copy of them.
 * @param {(Int16Array | Blob)[]} blocks
 * @param {number} rate sampling rate in Hz
 */
export const wavOfSamples = (blocks, rate) => {
  const data = new Blob(/** @type {BlobPart[]} */ (blocks));
  return new Blob([header(data.size / SAMPLE_BYTES, 1, rate), data], { type: "audio/wav" });
};

/**
 * @param {number} frames
 * @param {number} channels
 * @param {number} rate
 */
const header = (frames, channels, rate) => {
  const dataBytes = frames * channels * SAMPLE_BYTES;
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  const writeName = (/** @type {number} */ at, /** @type {string} */ name) => {
    for (let index = 0; index < name.length; index += 1) view.setUint8(at + index, name.charCodeAt(index));
  };
  writeName(0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + dataBytes, true);
  writeName(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * channels * SAMPLE_BYTES, true);
  view.setUint16(32, channels * SAMPLE_BYTES, true);
  view.setUint16(34, 8 * SAMPLE_BYTES, true);
  writeName(36, "data");
  view.setUint32(40, dataBytes, true);
  return view.buffer;
};

/**
 * @param {AudioBuffer} buffer
 * @param {number} start
 * @param {number} end
 */
const interleave = (buffer, start, end) => {
  const channels = buffer.numberOfChannels;
  const samples = new Int16Array((end - start) * channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const data = buffer.getChannelData(channel);
    for (let frame = start, at = channel; frame < end; frame += 1, at += channels) {
      samples[at] = Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(data[frame] * FULL_SCALE)));
    }
  }
  return samples;
};
