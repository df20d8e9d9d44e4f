// @ts-check
/** Following a film on the server until it ends, also where connections break. */

import * as api from "../page/api.js";

const ACTIVE = ["queued", "loading", "running"];
/** Seconds from one attempt to reach the server to the next, the first time and at most. */
const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 8;

/** @param {{state: string}} found */
export const isActive = ({ state }) => ACTIVE.includes(state);

/**
 * Follow a film until it ends; where the connection is lost, go on when the server is there again.
 * @param {string} path
 * @param {{isRemoved: () => boolean, onFound: (found: any) => void, onProblem: (problem: unknown) => boolean}} given
 *   onProblem: returns whether there is no such film any more
 */
export const follow = async (path, { isRemoved, onFound, onProblem }) => {
  let waitS = FIRST_WAIT_S;
  while (!isRemoved()) {
    let isWhole = false;
    try {
      const found = await api.get(path);
      onFound(found);
      if (!isActive(found)) return;
      const onEvent = (/** @type {string} */ name, /** @type {any} */ data) => {
        waitS = FIRST_WAIT_S;
        const changed = after(found, name, data);
        if (changed) onFound(changed);
      };
      isWhole = await api.stream(path, null, { onEvent }).then(
        () => true,
        () => false,
      );
    } catch (problem) {
      if (onProblem(problem)) return;
    }
    if (isWhole) continue;
    await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
    waitS = Math.min(2 * waitS, LONGEST_WAIT_S);
  }
};

/**
 * Return the state of a film after an event; null if it does not change.
 * @param {any} found @param {string} name @param {any} data
 */
const after = (found, name, data) => {
  if (name === "progress") return { ...found, state: "running", frames_done: data.done, remaining_s: data.remaining_s };
  if (name === "queued" || name === "loading") return { ...found, state: name, position: data.position };
  return null;
};
