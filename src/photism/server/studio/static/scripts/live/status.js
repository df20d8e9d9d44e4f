// @ts-check
/** What the page says of a live drawing: whether it runs, how far pictures are behind the sound, and how many come. */

import { formatNumber, t } from "../page/i18n.js";

const EVERY_MS = 1000;
/** Time without a first picture after which the server is busy. */
const BUSY_MS = 1500;
const ONE_DIGIT = { minimumFractionDigits: 1, maximumFractionDigits: 1 };

/**
 * Show the state of a live drawing in an element.
 * @param {HTMLElement} element
 */
export const createStatus = (element) => {
  /** @type {number[]} */
  let behind = [];
  let meanS = 0;
  let since = 0;
  let state = "off";

  /** @param {{name: string, problem?: import("../page/api.js").Problem}} state */
  const show = ({ name, problem }) => {
    state = name;
    behind = [];
    since = performance.now();
    if (name === "off") element.textContent = "";
    else element.textContent = t(`live.state.${problem?.type === "too-many-live-connections" ? "full" : name}`);
  };

  /**
   * Count a picture, and return how far pictures are behind the sound on average.
   * @param {number} seconds how far it is
   */
  const count = (seconds) => {
    if (state === "silent") show({ name: "live" });
    state = "drawing";
    behind.push(seconds);
    const elapsedMs = performance.now() - since;
    if (elapsedMs < EVERY_MS) return meanS || seconds;
    meanS = behind.reduce((sum, each) => sum + each, 0) / behind.length;
    element.textContent = t("live.state.pictures", {
      seconds: formatNumber(meanS, ONE_DIGIT),
      count: rounded((1000 * behind.length) / elapsedMs),
    });
    behind = [];
    since = performance.now();
    return meanS;
  };

  /** Say that the server is busy if samples go out and no first picture answers. */
  const wait = () => {
    if (state === "live" && performance.now() - since > BUSY_MS) show({ name: "busy" });
  };

  return { show, count, wait };
};

/** @param {number} rate pictures a second, of which a slow machine draws less than one */
const rounded = (rate) => (rate < 1 ? Math.round(10 * rate) / 10 : Math.round(rate));
