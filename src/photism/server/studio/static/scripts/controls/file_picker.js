// @ts-check
/** A control for files of a field: choose, see, remove. */

import { h } from "../page/dom.js";
import { t } from "../page/i18n.js";

/** Types of the files of fields; those of all others are images. */
const ACCEPTED = new Map([
  ...["file", "from", "other", "others"].map((name) => /** @type {[string, string]} */ ([name, "audio/*,video/*"])),
  ["transcript", ".txt,.srt,.vtt,text/*"],
]);

/**
 * Create a picker of one file or several, which shows what is chosen: images small, others by their names.
 * @param {string} name of the field
 * @param {boolean} isList whether there may be several
 * @returns {import("./field.js").Control}
 */
export const createFilePicker = (name, isList) => {
  const accept = ACCEPTED.get(name) ?? "image/*";
  const input = h("input", { type: "file", accept, multiple: isList });
  const chosen = h("ul", { class: "chips files" });
  const element = h("div", { class: "file-picker", role: "group" }, input, chosen);
  /** @type {File[]} */
  let files = [];

  const show = () => {
    chosen.querySelectorAll("img").forEach((/** @type {HTMLImageElement} */ image) => URL.revokeObjectURL(image.src));
    chosen.replaceChildren(...files.map((file) => chip(file)));
    input.hidden = files.length > 0 && !isList;
  };
  const change = (/** @type {File[]} */ next) => {
    files = next;
    input.value = "";
    show();
    element.dispatchEvent(new Event("input", { bubbles: true }));
    element.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const chip = (/** @type {File} */ file) => {
    const remove = () => change(files.filter((each) => each !== file));
    const isImage = file.type.startsWith("image/");
    const preview = isImage ? h("img", { src: URL.createObjectURL(file), alt: "", class: "thumbnail" }) : null;
    const label = t("controls.remove", { name: file.name });
    const button = h("button", { class: "button quiet", type: "button", "aria-label": label, onclick: remove }, "×");
    return h("li", { class: "chip" }, preview, h("bdi", {}, file.name), button);
  };
  input.addEventListener("change", (/** @type {Event} */ event) => {
    event.stopPropagation();
    const added = [...input.files];
    if (added.length) change(isList ? [...files, ...added] : added);
  });
  Object.defineProperty(element, "id", {
    get: () => input.id,
    set: (id) => {
      input.id = id;
    },
  });
  element.focus = () => input.focus();
  return {
    input: element,
    read: () => (files.length ? (isList ? files : files[0]) : undefined),
    write: (value) => change([value ?? []].flat()),
  };
};
