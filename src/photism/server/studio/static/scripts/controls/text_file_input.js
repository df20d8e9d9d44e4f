// @ts-check
/** A box for a text that is sent as a file, which can be typed, pasted or read from a file. */

import { h, newId } from "../page/dom.js";

/**
 * Create a box for a text. The element has `value`, a File or undefined, and dispatches "change".
 * @param {{name: string, accept: string, placeholder: string}} options name: of the file; accept: suffixes of files that
 *   can be chosen; placeholder: key of a text
 */
export const createTextFileInput = ({ name, accept, placeholder }) => {
  const text = h("textarea", { rows: 3, id: newId("text"), dir: "auto", "data-t-placeholder": placeholder });
  const picker = h("input", { type: "file", accept, "data-t-label": "listening.open-text" });
  const element = h("div", { class: "stack" }, text, picker);
  const read = async (/** @type {Blob | undefined} */ file) => {
    text.value = file ? await file.text() : "";
    element.dispatchEvent(new Event("change", { bubbles: true }));
  };
  picker.addEventListener("change", (/** @type {Event} */ event) => {
    event.stopPropagation();
    read(picker.files[0]);
    picker.value = "";
  });
  Object.defineProperty(element, "value", {
    get: () => (text.value.trim() ? new File([text.value], name, { type: "text/plain" }) : undefined),
    set: (value) => {
      if (value instanceof Blob) read(value);
      else text.value = value ?? "";
    },
  });
  Object.defineProperty(element, "id", { get: () => text.id });
  element.setAttribute = text.setAttribute.bind(text); // descriptions belong to the box
  element.removeAttribute = text.removeAttribute.bind(text);
  element.focus = () => text.focus();
  return element;
};
