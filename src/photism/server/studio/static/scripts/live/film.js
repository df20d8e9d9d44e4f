// @ts-check
/** Record a canvas and a sound as a film. */

import { Problem } from "../page/api.js";
import { withDuration } from "./webm_duration.js";

const FRAMES_PER_S = 30;
const VIDEO_BITS_PER_S = 6_000_000;
const REDRAW_MS = 100;
const TYPES = ["video/mp4;codecs=avc1.42E01F,mp4a.40.2", "video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];

/**
 * Start to record a film.
 * @param {{element: HTMLCanvasElement, redraw: () => void}} canvas
 * @param {MediaStream} sound
 * @returns {{seconds: () => number, stop: () => Promise<File>}} stop: ends the film and returns it, with the extension of
 *   its format as name
 * @throws {Problem} "film-not-supported"
 */
export const startFilm = (canvas, sound) => {
  const type = globalThis.MediaRecorder && TYPES.find((each) => MediaRecorder.isTypeSupported(each));
  if (!type) throw new Problem({ type: "film-not-supported" });
  const stream = new MediaStream([...canvas.element.captureStream(FRAMES_PER_S).getTracks(), ...sound.getAudioTracks()]);
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: VIDEO_BITS_PER_S });
  /** @type {Blob[]} */
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const ended = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start(1000);
  const begun = performance.now();
  canvas.redraw();
  const timer = setInterval(canvas.redraw, REDRAW_MS);
  return {
    seconds: () => (performance.now() - begun) / 1000,
    stop: async () => {
      clearInterval(timer);
      const seconds = (performance.now() - begun) / 1000;
      if (recorder.state !== "inactive") recorder.stop();
      await ended;
      stream.getVideoTracks().forEach((track) => track.stop());
      const container = type.split(";")[0];
      const film = await withDuration(new Blob(parts, { type: container }), seconds);
      return new File([film], container.split("/")[1], { type: container });
    },
  };
};
