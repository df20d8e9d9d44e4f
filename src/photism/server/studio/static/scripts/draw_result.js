// @ts-check
/** The pictures of a drawing, what was recognised, and what can be done with them; and previews in their place. */

import { save } from "./download.js";
import { h } from "./dom.js";
import { createHeard } from "./heard.js";
import { t } from "./i18n.js";
import { createMorphPlayer } from "./morph_player.js";
import { openPictures } from "./picture_dialog.js";

/** Pictures with shorter sides are enlarged with sharp pixels. */
const SMALL = 300;

/**
 * @typedef {{blob: Blob, width: number, height: number, seed: number, name: string, alt: string, isFlagged: boolean}} Picture
 * @typedef {{pictures: Picture[], sounds: import("./heard.js").Sound[], morph: number | null}} Drawing morph: number of
 *   pictures that stand side by side in each one
 */

/**
 * Create the place of pictures.
 * @param {{onStart: (picture: Picture) => void, onVary: () => void}} options onStart: start from a picture; onVary: draw
 *   again with another seed
 */
export const createResult = ({ onStart, onVary }) => {
  const pictures = h("div", { class: "draw-pictures" });
  const about = h("div", { class: "draw-about stack" });
  const element = h("section", { class: "draw-result stack", "data-t-label": "draw.result" }, pictures, about);
  /** @type {Drawing | null} */
  let drawing = null;
  /** @type {string[]} */
  let urls = [];
  let isPreview = false;

  const urlOf = (/** @type {Blob} */ blob) => {
    urls.push(URL.createObjectURL(blob));
    return urls[urls.length - 1];
  };
  const replace = (/** @type {() => any[]} */ children) => {
    const before = urls.splice(0);
    pictures.replaceChildren(...children());
    before.forEach((url) => URL.revokeObjectURL(url));
    pictures.dataset.count = String(pictures.children.length);
  };
  const open = (/** @type {Drawing} */ { pictures: all }, /** @type {string[]} */ shown, /** @type {number} */ number) => {
    const listed = all.map(({ width, height, alt, name }, index) => ({ url: shown[index], alt, name, isSmall: isSmall(width, height) }));
    openPictures(listed, number, (index, close) => actionsOf(all[index], { onStart, onVary, close }));
  };
  const figure = (/** @type {Drawing} */ given, /** @type {number} */ number, /** @type {string[]} */ shown) => {
    const picture = given.pictures[number];
    const actions = h("div", { class: "row picture-actions" }, ...actionsOf(picture, { onStart, onVary }));
    const onclick = () => open(given, shown, number);
    const image = imageOf(shown[number], picture);
    const button = h("button", { class: "result picture-button", type: "button", "data-t-title": "draw.enlarge", onclick }, image);
    button.style.setProperty("aspect-ratio", `${picture.width} / ${picture.height}`);
    const flagged = picture.isFlagged ? h("p", { class: "muted" }, t("draw.flagged")) : null;
    return h("figure", { class: given.morph ? "is-strip" : "" }, button, flagged, actions);
  };
  const render = () => {
    isPreview = false;
    pictures.removeAttribute("aria-busy");
    const given = drawing;
    if (!given) return replace(() => [h("div", { class: "result muted" }, h("p", { "data-t": "draw.empty" }))]);
    replace(() => {
      const shown = given.pictures.map(({ blob }) => urlOf(blob));
      return given.pictures.map((_, number) => figure(given, number, shown));
    });
    about.replaceChildren(createHeard(given.sounds));
    if (given.morph) addPlayer(given, given.morph);
  };
  const addPlayer = async (/** @type {Drawing} */ given, /** @type {number} */ count) => {
    const strips = await Promise.all(given.pictures.map(({ blob }) => createImageBitmap(blob)));
    if (drawing !== given || isPreview) return;
    strips.forEach((strip, number) => pictures.children[number].prepend(createMorphPlayer(strip, count, given.pictures[number].alt)));
  };
  render();
  return {
    element,
    get drawing() {
      return drawing;
    },
    /** Show a drawing in place of the one before. */
    show: (/** @type {Drawing} */ given) => {
      drawing = given;
      render();
    },
    /**
     * Show pictures as they are while they are drawn, in the places of all; `restore` or `show` end that.
     * @param {{number: number, blob: Blob}[]} given
     * @param {number} count number of all pictures
     */
    preview: (given, count) => {
      isPreview = true;
      pictures.setAttribute("aria-busy", "true");
      const blobs = new Map(given.map(({ number, blob }) => [number, blob]));
      const places = Array.from({ length: count }, (_, number) => blobs.get(number));
      replace(() => places.map((blob) => (blob ? previewOf(urlOf(blob)) : h("figure", {}, h("div", { class: "result" })))));
    },
    /** Show the last drawing again, if there are previews in its place. */
    restore: () => isPreview && render(),
  };
};

/** @param {number} width @param {number} height */
const isSmall = (width, height) => Math.min(width, height) < SMALL;

/** @param {string} url @param {Picture} picture */
const imageOf = (url, { width, height, alt }) => {
  const image = h("img", { src: url, alt, width, height });
  image.classList.toggle("pixels", isSmall(width, height));
  return image;
};

/** @param {string} url */
const previewOf = (url) => {
  const image = h("img", { src: url, alt: t("draw.preview"), class: "is-preview" });
  image.addEventListener("load", () => image.classList.toggle("pixels", isSmall(image.naturalWidth, image.naturalHeight)));
  return h("figure", {}, h("div", { class: "result" }, image));
};

/**
 * Return the buttons of a picture.
 * @param {Picture} picture
 * @param {{onStart: (picture: Picture) => void, onVary: () => void, close?: () => void}} given close: of the dialog
 */
const actionsOf = (picture, { onStart, onVary, close = () => {} }) => {
  const action = (/** @type {string} */ key, /** @type {() => void} */ act) =>
    h("button", { class: "button quiet", type: "button", "data-t": key, onclick: act });
  const leave = (/** @type {() => void} */ act) => () => {
    close();
    act();
  };
  return [
    action("draw.download", () => save(picture.blob, picture.name)),
    action("draw.start-from", leave(() => onStart(picture))),
    action("draw.vary", leave(onVary)),
  ];
};
