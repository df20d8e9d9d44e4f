// @ts-check
/** Record from a microphone, sample by sample and without loss. */

import { Problem } from "../page/api.js";
import { startContext } from "./audio_output.js";

/** Largest sample of a recording in which nothing is to be found: -66 dB of full scale. */
const SILENT_PEAK = 0.0005;
const SHORTEST_S = 0.2;
const FLUSH_MS = 500;
const PROBLEMS = /** @type {Record<string, string>} */ ({
  NotAllowedError: "microphone-denied",
  SecurityError: "microphone-denied",
  NotFoundError: "no-microphone",
  OverconstrainedError: "no-microphone",
  NotReadableError: "microphone-busy",
  AbortError: "microphone-busy",
});

/**
 * Open a microphone.
 * @param {{deviceId?: string, isProcessed?: boolean, signal?: AbortSignal}} [options] deviceId: by default, the one
 *   that the system prefers; isProcessed: let the browser remove echo and noise and regulate the level
 * @returns {Promise<{stream: MediaStream, label: string, stop: () => void}>}
 * @throws {Problem} "insecure-context", "microphone-denied", "no-microphone" or "microphone-busy"
 */
export const openMicrophone = async ({ deviceId, isProcessed = false, signal } = {}) => {
  if (!navigator.mediaDevices) throw new Problem({ type: isSecureContext ? "no-microphone" : "insecure-context" });
  const audio = {
    deviceId: deviceId ? { exact: deviceId } : undefined,
    channelCount: 1,
    echoCancellation: isProcessed,
    noiseSuppression: isProcessed,
    autoGainControl: isProcessed,
  };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    if (error instanceof DOMException && error.name === "OverconstrainedError" && deviceId) {
      return openMicrophone({ isProcessed, signal }); // the device that was chosen once is gone
    }
    const type = error instanceof DOMException ? PROBLEMS[error.name] : undefined;
    throw new Problem({ type: type ?? "microphone-busy", detail: String(error) });
  }
  const stop = () => stream.getTracks().forEach((track) => track.stop());
  if (signal?.aborted) {
    stop();
    throw new Problem({ type: "cancelled" });
  }
  return { stream, label: stream.getAudioTracks()[0].label, stop };
};

/** Return the microphones that the browser lets the page know: all of them once one was allowed. */
export const microphones = async () => {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId && deviceId !== "default");
};

/**
 * Start to record.
 * @param {{deviceId?: string, isProcessed?: boolean, maxSamples: number, onBlock: (samples: Float32Array) => void,
 *   onEnd: (reason: "unplugged" | "full") => void}} options onBlock: called with the samples as they come; onEnd:
 *   called when the recording should be stopped, because the microphone is gone or `maxSamples` were recorded
 * @returns {Promise<{seconds: number, stop: () => Promise<AudioBuffer>, cancel: () => void}>} stop: ends the recording
 *   and returns it; it throws a Problem "microphone-silent" or "recording-too-short" if nothing was recorded
 * @throws {Problem} as `openMicrophone` and `startContext`
 */
export const startRecording = async ({ deviceId, isProcessed, maxSamples, onBlock, onEnd }) => {
  const microphone = await openMicrophone({ deviceId, isProcessed });
  const context = new AudioContext();
  const cancel = () => {
    microphone.stop();
    if (context.state !== "closed") context.close();
  };
  try {
    const node = await connect(context, microphone.stream);
    /** @type {Float32Array[]} */
    const blocks = [];
    let count = 0;
    /** @type {() => void} */
    let finishFlush = () => {};
    node.port.onmessage = ({ data }) => {
      if (data === null) return finishFlush();
      const block = data.subarray(0, maxSamples - count);
      blocks.push(block);
      count += block.length;
      onBlock(block);
      if (count === maxSamples) onEnd("full");
    };
    microphone.stream.getAudioTracks()[0].addEventListener("ended", () => onEnd("unplugged"));
    const stop = async () => {
      await new Promise((resolve) => {
        finishFlush = () => resolve(null);
        node.port.postMessage(null);
        setTimeout(resolve, FLUSH_MS);
      });
      cancel();
      return joined(blocks, count, context.sampleRate);
    };
    return {
      get seconds() {
        return count / context.sampleRate;
      },
      stop,
      cancel,
    };
  } catch (error) {
    cancel();
    throw error;
  }
};

/** @param {AudioContext} context @param {MediaStream} stream */
const connect = async (context, stream) => {
  await context.audioWorklet.addModule(new URL("./pcm_worklet.js", import.meta.url));
  const node = new AudioWorkletNode(context, "pcm", { channelCount: 1, channelCountMode: "explicit" });
  // Some browsers run only what is connected to the output. The worklet puts out silence.
  context.createMediaStreamSource(stream).connect(node).connect(context.destination);
  await startContext(context);
  return node;
};

/** @param {Float32Array[]} blocks @param {number} count @param {number} sampleRate */
const joined = (blocks, count, sampleRate) => {
  const isSilent = blocks.every((block) => block.every((sample) => Math.abs(sample) < SILENT_PEAK));
  if (count && isSilent) throw new Problem({ type: "microphone-silent" });
  if (count < SHORTEST_S * sampleRate) throw new Problem({ type: "recording-too-short" });
  const buffer = new AudioBuffer({ length: count, numberOfChannels: 1, sampleRate });
  let at = 0;
  for (const block of blocks) {
    buffer.copyToChannel(/** @type {Float32Array<ArrayBuffer>} */ (block), 0, at);
    at += block.length;
  }
  return buffer;
};
