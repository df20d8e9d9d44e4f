// @ts-check
/** One WebSocket of /v1/live/drawing: settings and samples go out, pictures come in. */

import * as api from "../page/api.js";

const PATH = "/v1/live/drawing";
const SAMPLE_BYTES = 2;
/** Seconds of samples that may wait for a slow connection; further ones are dropped, so that pictures stay up to date. */
const MOST_WAITING_S = 1;

/**
 * @typedef {{end_s: number, start_s: number | null, width: number, height: number, caption: string | null,
 *   known: boolean | null, heard: {caption: string, score: number}[], is_silent: boolean, skipped: number}} Header
 * @typedef {{send: (samples: Int16Array) => void, finish: () => void, close: () => void, sentS: number}} Link finish: let
 *   the server draw the last word and close the connection
 */

/**
 * Open a WebSocket.
 * @param {{settings: Record<string, any>, rate: number, onOpen: () => void, onReady: () => void,
 *   onPicture: (header: Header, image: Blob) => void, onSilence: () => void,
 *   onClose: (problem: api.Problem) => void}} options
 *   settings: fields of the request; rate: sampling rate in Hz; onOpen: called when samples can be sent; onReady: when
 *   the model is loaded; onSilence: now and then until the first sound; onClose: when the server has closed it
 * @returns {Link}
 */
export const openLink = ({ settings, rate, onOpen, onReady, onPicture, onSilence, onClose }) => {
  const address = api.url(PATH).replace(/^http/, "ws");
  const socket = new WebSocket(address, ["photism"]); // a subprotocol, so that problems come as messages
  socket.binaryType = "blob";
  /** @type {Header | null} */
  let header = null;
  let problem = new api.Problem({ type: "unreachable" });
  let sent = 0;
  let isEnding = false;

  socket.onopen = () => {
    socket.send(JSON.stringify({ ...settings, sampling_rate: rate }));
    onOpen();
    if (isEnding) sendEnd();
  };
  socket.onmessage = ({ data }) => {
    if (data instanceof Blob) return header && onPicture(header, data);
    const message = JSON.parse(data);
    if (message.type === "ready") onReady();
    else if (message.type === "picture") header = message;
    else if (message.type === "silence") onSilence();
    else if (message.type === "error") problem = new api.Problem(message.problem);
  };
  socket.onclose = () => onClose(problem);
  const sendEnd = () => socket.send(JSON.stringify({ type: "end" }));

  return {
    send: (samples) => {
      const isWaiting = socket.bufferedAmount > MOST_WAITING_S * rate * SAMPLE_BYTES;
      if (socket.readyState !== WebSocket.OPEN || isWaiting) return;
      socket.send(/** @type {Int16Array<ArrayBuffer>} */ (samples));
      sent += samples.length;
    },
    finish: () => {
      isEnding = true;
      if (socket.readyState === WebSocket.OPEN) sendEnd();
    },
    close: () => {
      socket.onmessage = socket.onclose = socket.onopen = null;
      socket.close();
    },
    get sentS() {
      return sent / rate;
    },
  };
};
