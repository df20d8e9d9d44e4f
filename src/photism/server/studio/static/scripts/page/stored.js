// @ts-check
/** What the browser keeps between visits. Where it keeps nothing, as settings of browsers can say, the page goes on without. */

/**
 * Return the text that is kept under a name; null if there is none.
 * @param {string} name
 */
export const readText = (name) => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
};

/**
 * Keep a text under a name, if the browser can, and return whether it is kept.
 * @param {string} name @param {string} text
 */
export const writeText = (name, text) => {
  try {
    localStorage.setItem(name, text);
    return true;
  } catch {
    return false; // blocked or full
  }
};

/**
 * Return the value that is kept under a name as JSON; null if there is none that can be read.
 * @param {string} name
 * @returns {any}
 */
export const readValue = (name) => {
  try {
    return JSON.parse(readText(name) ?? "null");
  } catch {
    return null;
  }
};

/**
 * Keep a value under a name as JSON, if the browser can, and return whether it is kept.
 * @param {string} name @param {unknown} value
 */
export const writeValue = (name, value) => writeText(name, JSON.stringify(value));
