// @ts-check
/** The sound of a live drawing: the microphone, or the shared recording at its own pace, as samples and for a film. */

import { Problem } from "../page/api.js";
import { startContext } from "../recording/audio_output.js";
import { chosenMicrophone } from "../recording/record_button.js";
import { openMicrophone } from "../recording/microphone.js";
import { SERVER_RATE } from "../recording/sound_loading.js";
import { cutWav } from "../recording/wav.js";

/** Longest delay of what is played and filmed, in seconds. */
const MOST_DELAY_S = 3;
/** Change of the delay, in seconds, below which the sound is left as it is: a changing delay bends its pitch. */
const DELAY_TOLERANCE_S = 0.1;
/** Delay before it is known how far pictures are behind. */
const FIRST_DELAY_S = 0.4;
const FULL_SCALE = 32768;

/**
 * @typedef {{rate: number, label: string, begin: () => void, playedS: () => number | null, delayS: () => number,
 *   setDelay: (seconds: number) => void, stream: () => MediaStream, stop: () => void}} LiveSound
 *   rate: sampling rate in Hz; begin: begins to play the recording; playedS: the time in the recording that is played now;
 *   delayS, setDelay: time by which what is played and filmed is behind the samples, so that it meets the pictures;
 *   stream: the delayed sound, for a film
 */

/**
 * Open the microphone or play the shared recording.
 * @param {{recording: any, isMicrophone: boolean, onSamples: (samples: Int16Array, peak: number) => void,
 *   onEnd: () => void}} options recording: the shared one; onSamples: called with samples as they come and the largest
 *   of them, 0 to 1; onEnd: called once, after the last samples, when the recording has ended or the microphone is gone
 * @returns {Promise<LiveSound>}
 * @throws {import("../page/api.js").Problem} "no-recording", or those of `openMicrophone` and `startContext`
 */
export const openSound = async ({ recording, isMicrophone, onSamples, onEnd }) => {
  const context = new AudioContext({ latencyHint: "interactive" }); // before anything is awaited: browsers demand a click
  /** @type {(() => void)[]} */
  const closing = [() => context.close()];
  const stop = () => closing.splice(0).forEach((close) => close());
  try {
    await context.audioWorklet.addModule(new URL("../recording/pcm_worklet.js", import.meta.url));
    const samples = new AudioWorkletNode(context, "pcm", { channelCount: 1, channelCountMode: "explicit" });
    samples.port.onmessage = ({ data }) => {
      if (!data) onEnd();
      else if (data.length) onSamples(...asInt16(data));
    };
    closing.push(() => (samples.port.onmessage = null));
    const askForRest = () => samples.port.postMessage("end"); // which is followed by null
    const source = isMicrophone ? await microphoneSource(context, closing, onEnd) : recordingSource(context, recording, closing, askForRest);
    const delay = new DelayNode(context, { delayTime: FIRST_DELAY_S, maxDelayTime: MOST_DELAY_S });
    const film = new MediaStreamAudioDestinationNode(context);
    source.node.connect(samples).connect(context.destination); // the worklet puts out silence
    source.node.connect(delay).connect(film);
    if (!isMicrophone) delay.connect(context.destination);
    await startContext(context);
    let delayS = FIRST_DELAY_S;
    let begunAtS = Number.NaN;
    return {
      rate: context.sampleRate,
      label: source.label,
      begin: () => {
        if (!Number.isNaN(begunAtS)) return;
        source.start();
        begunAtS = context.currentTime;
      },
      playedS: () => {
        const elapsedS = context.currentTime - begunAtS - delayS;
        return elapsedS > 0 ? source.timeOf(elapsedS) : null;
      },
      delayS: () => delayS,
      setDelay: (seconds) => {
        const wanted = Math.min(MOST_DELAY_S, Math.max(0, seconds));
        if (Math.abs(wanted - delayS) < DELAY_TOLERANCE_S) return;
        delayS = wanted;
        delay.delayTime.setTargetAtTime(wanted, context.currentTime, 0.1);
      },
      stream: () => film.stream,
      stop,
    };
  } catch (error) {
    stop();
    throw error;
  }
};

/** @param {AudioContext} context @param {(() => void)[]} closing @param {() => void} onEnd */
const microphoneSource = async (context, closing, onEnd) => {
  const microphone = await openMicrophone(chosenMicrophone());
  closing.push(microphone.stop);
  microphone.stream.getAudioTracks()[0].addEventListener("ended", onEnd);
  const node = context.createMediaStreamSource(microphone.stream);
  return { node, label: microphone.label, start: () => {}, timeOf: () => null };
};

/** @param {AudioContext} context @param {any} recording @param {(() => void)[]} closing @param {() => void} onEnd */
const recordingSource = (context, recording, closing, onEnd) => {
  const played = recording.current;
  if (!played) throw new Problem({ type: "no-recording" });
  const { buffer, wav, startS, endS, name } = played;
  recording.pause();
  const timeOf = (/** @type {number} */ elapsedS) => (recording.current === played ? startS + elapsedS : null);
  if (buffer) {
    const node = new AudioBufferSourceNode(context, { buffer });
    node.onended = onEnd;
    closing.push(() => (node.onended = null));
    return { node, label: name, start: () => node.start(0, startS, endS - startS), timeOf };
  }
  const player = new Audio(URL.createObjectURL(cutWav(wav, SERVER_RATE, startS, endS))); // not held as samples
  closing.push(() => {
    player.pause();
    URL.revokeObjectURL(player.src);
  });
  player.addEventListener("ended", onEnd);
  return { node: context.createMediaElementSource(player), label: name, start: () => player.play().catch(onEnd), timeOf };
};

/** @param {Float32Array} samples @returns {[Int16Array, number]} */
const asInt16 = (samples) => {
  const converted = new Int16Array(samples.length);
  let peak = 0;
  for (let index = 0; index < samples.length; index += 1) {
    const sample = Math.max(-1, Math.min(1, samples[index]));
    peak = Math.max(peak, Math.abs(sample));
    converted[index] = Math.min(FULL_SCALE - 1, Math.round(sample * FULL_SCALE));
  }
  return [converted, peak];
};
