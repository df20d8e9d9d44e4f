// @ts-check
/** Dialogs in front of the page. */

import { h, newId } from "./dom.js";

/**
 * Create a dialog with a title and a button that closes it. Escape and a click beside it close it too.
 * @param {{title: string, body: Node, onclose?: () => void}} options title: key of its text
 */
export const createDialog = ({ title, body, onclose = () => {} }) => {
  const id = newId("dialog");
  const close = h("button", { class: "button quiet", type: "button", "data-t": "page.close", onclick: () => element.close() });
  const head = h("div", { class: "row dialog-head" }, h("h2", { id, "data-t": title }), close);
  const element = h("dialog", { class: "dialog", "aria-labelledby": id }, head, body);
  element.addEventListener("close", () => {
    element.remove();
    onclose();
  });
  element.addEventListener("click", (/** @type {MouseEvent} */ event) => event.target === element && element.close());
  return {
    element,
    open: () => {
      document.body.append(element);
      element.showModal();
    },
    close: () => element.close(),
  };
};

/**
 * Ask whether to go on, and return the answer.
 * @param {{title: string, text: string, action: string}} options keys of texts
 * @returns {Promise<boolean>}
 */
export const confirmed = ({ title, text, action }) =>
  new Promise((resolve) => {
    let answer = false;
    const accept = () => {
      answer = true;
      dialog.close();
    };
    const button = h("button", { class: "button primary", type: "button", "data-t": action, onclick: accept });
    const body = h("div", {}, h("p", { "data-t": text }), h("div", { class: "row" }, button));
    const dialog = createDialog({ title, body, onclose: () => resolve(answer) });
    dialog.open();
  });
