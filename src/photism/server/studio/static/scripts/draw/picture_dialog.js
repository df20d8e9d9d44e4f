// @ts-check
/** Pictures in full size, one at a time. */

import { createDialog } from "../page/dialog.js";
import { h } from "../page/dom.js";
import { formatNumber, t } from "../page/i18n.js";

/**
 * Show pictures in front of the page; arrow keys go to the next one.
 * @param {{url: string, alt: string, isSmall: boolean}[]} pictures
 * @param {number} first number of the one that is shown first
 * @param {(number: number, close: () => void) => any[]} actionsOf returns buttons for a picture
 */
export const openPictures = (pictures, first, actionsOf) => {
  let shown = first;
  const image = h("img", { class: "picture-large" });
  const place = h("p", { class: "muted", role: "status" });
  const actions = h("div", { class: "row" });
  const step = (/** @type {number} */ by) => {
    shown = (shown + by + pictures.length) % pictures.length;
    show();
  };
  const turn = (/** @type {string} */ key, /** @type {number} */ by, /** @type {string} */ sign) =>
    h("button", { class: "button", type: "button", "data-t-label": key, onclick: () => step(by) }, sign);
  const several = pictures.length > 1;
  const turns = several ? [turn("draw.previous", -1, "‹"), place, turn("draw.next", 1, "›")] : [];
  const foot = h("div", { class: "row picture-foot" }, h("div", { class: "row" }, ...turns), actions);
  const dialog = createDialog({ title: "draw.picture", body: h("div", { class: "picture-body" }, image, foot) });
  dialog.element.classList.add("picture-dialog");

  const show = () => {
    const { url, alt, isSmall } = pictures[shown];
    Object.assign(image, { src: url, alt });
    image.classList.toggle("pixels", isSmall);
    place.textContent = t("draw.place", { number: formatNumber(shown + 1), count: pictures.length });
    actions.replaceChildren(...actionsOf(shown, dialog.close));
  };
  dialog.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const isRtl = document.documentElement.dir === "rtl";
    const by = { ArrowRight: isRtl ? -1 : 1, ArrowLeft: isRtl ? 1 : -1 }[event.key];
    if (!by || !several) return;
    event.preventDefault();
    step(by);
  });
  show();
  dialog.open();
};
