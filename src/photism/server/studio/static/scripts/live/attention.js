// @ts-check
/** While a live drawing runs, the screen stays on, and a microphone is not left open in a tab that nobody sees. */

/** Seconds in a hidden tab after which the microphone is closed. */
const HIDDEN_S = 60;

/**
 * Create the attention to a drawing.
 * @param {{onHidden: () => void}} options onHidden: called when the tab has been out of sight too long for a microphone
 */
export const createAttention = ({ onHidden }) => {
  let isOn = false;
  let isMicrophone = false;
  let timer = 0;
  /** @type {WakeLockSentinel | null} */
  let wakeLock = null;

  const watch = () => {
    clearTimeout(timer);
    if (!document.hidden) keepAwake();
    else if (isMicrophone) timer = setTimeout(onHidden, 1000 * HIDDEN_S);
  };

  const keepAwake = async () => {
    wakeLock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
    if (!isOn) release(); // it was stopped meanwhile
  };

  const release = () => {
    wakeLock?.release().catch(() => {});
    wakeLock = null;
  };

  return {
    /** @param {boolean} withMicrophone whether the sound is that of the microphone */
    start: (withMicrophone) => {
      isOn = true;
      isMicrophone = withMicrophone;
      document.addEventListener("visibilitychange", watch);
      watch();
    },
    stop: () => {
      isOn = false;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", watch);
      release();
    },
  };
};
