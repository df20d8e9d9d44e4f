// @ts-check
/** One message in front of the page, which stays until it is closed or another one takes its place. */

import { h } from "./dom.js";

const text = h("p", {});
const actions = h("div", { class: "row" });
const element = h("div", { class: "page-notice panel", role: "status" }, text, actions);

/**
 * Show a message.
 * @param {string} message
 * @param {{label: string, act: () => void}[]} [offers] buttons: keys of their texts, and what they do
 */
export const showNotice = (message, offers = []) => {
  const button = (/** @type {string} */ key, /** @type {() => void} */ onclick, style = "") =>
    h("button", { class: `button ${style}`, type: "button", "data-t": key, onclick });
  const offered = offers.map(({ label, act }) =>
    button(label, () => {
      hideNotice();
      act();
    }),
  );
  actions.replaceChildren(...offered, button("page.close", hideNotice, "quiet"));
  element.hidden = false;
  if (!element.isConnected) document.body.append(element);
  text.textContent = message;
};

/** Remove the message. */
export const hideNotice = () => {
  element.hidden = true;
  text.textContent = "";
};
