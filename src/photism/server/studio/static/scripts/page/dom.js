// @ts-check
/** Create elements, and speak to screen readers. */

import { translate } from "./i18n.js";

/**
 * Create an element.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] attributes; "on…" are listeners, "class" classes, and true and false switch
 *   attributes such as disabled on and off
 * @param {...(Node | string | null | undefined | false)} children nodes, and strings as text
 * @returns {any}
 */
export const h = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") Object.assign(element, { [name]: value });
    else if (value === true) element.setAttribute(name, name.startsWith("aria-") ? "true" : "");
    else if (value === false && name.startsWith("aria-")) element.setAttribute(name, "false");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, String(value));
  }
  if (Object.keys(attributes).some((name) => name.startsWith("data-t"))) translate(element);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

/**
 * Let screen readers say a message when they have finished what they are saying.
 * @param {string} text
 */
export const announce = (text) => {
  const announcer = document.getElementById("announcer");
  if (announcer) announcer.textContent = text;
};

let ids = 0;

/**
 * Return an id that no other element has.
 * @param {string} prefix
 */
export const newId = (prefix) => `${prefix}-${(ids += 1)}`;
