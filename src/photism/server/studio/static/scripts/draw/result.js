// @ts-check
/** The pictures of a drawing, what was recognised, and what can be done with them; and previews in their place. */

import { save } from "../page/download.js";
import { h } from "../page/dom.js";
import { createHeard } from "./heard.js";
import { t } from "../page/i18n.js";
import { createMorphPlayer } from "./morph_player.js";
import { openPictures } from "./picture_dialog.js";

/** Pictures with shorter sides are enlarged with sharp pixels. */
const SMALL = 300;

/**
 * @typedef {{blob: Blob, width: number, height: number, seed: number, name: string, alt: string, isFlagged: boolean}} Picture
 * @typedef {{pictures: Picture[], sounds: import("./heard.js").Sound[], morph: number | null}} Drawing morph: number of
 *   pictures that stand side by side in each one
 */

/** @typedef {{onStart: (picture: Picture) => void, onVary: () => void}} Handlers start from a picture; draw with another seed */

/**
 * Create the place of pictures.
 * @param {Handlers} handlers
 */
export const createResult = (handlers) => {
  const pictures = h("div", { class: "draw-pictures" });
  const about = h("div", { class: "draw-about stack" });
  const element = h("section", { class: "draw-result stack", "data-t-label": "draw.result" }, pictures, about);
  /** @type {Drawing | null} */
  let drawing = null;
  /** @type {string[]} */
  let urls = [];
  /** @type {ImageBitmap[]} */
  let strips = [];
  let isPreview = false;

  const replace = (/** @type {(urlOf: (blob: Blob) => string) => any[]} */ create) => {
    const before = urls;
    urls = [];
    pictures.replaceChildren(
      ...create((blob) => {
        urls.push(URL.createObjectURL(blob));
        return urls[urls.length - 1];
      }),
    );
    before.forEach((url) => URL.revokeObjectURL(url));
    strips.forEach((strip) => strip.close());
    strips = [];
    pictures.dataset.count = String(pictures.children.length);
    element.setAttribute("aria-busy", String(isPreview));
  };
  const render = () => {
    isPreview = false;
    const given = drawing;
    if (!given) return replace(() => [h("div", { class: "result muted" }, h("p", { "data-t": "draw.empty" }))]);
    replace((urlOf) => figures(given, given.pictures.map(({ blob }) => urlOf(blob)), handlers));
    about.replaceChildren(createHeard(given.sounds));
    if (given.morph) addPlayers(given, given.morph);
  };
  const addPlayers = async (/** @type {Drawing} */ given, /** @type {number} */ count) => {
    const opened = await Promise.all(given.pictures.map(({ blob }) => createImageBitmap(blob)));
    if (drawing !== given || isPreview) return opened.forEach((strip) => strip.close());
    strips = opened;
    strips.forEach((strip, number) => pictures.children[number].prepend(createMorphPlayer(strip, count, given.pictures[number].alt)));
  };
  render();
  return {
    element,
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
      const blobs = new Map(given.map(({ number, blob }) => [number, blob]));
      const places = Array.from({ length: count }, (_, number) => blobs.get(number));
      replace((urlOf) => places.map((blob) => previewOf(blob ? urlOf(blob) : null)));
    },
    /** Show the last drawing again, if there are previews in its place. */
    restore: () => isPreview && render(),
  };
};

/**
 * Return the pictures of a drawing, each with what can be done with it; pressing one enlarges it.
 * @param {Drawing} drawing @param {string[]} urls @param {Handlers} handlers
 */
const figures = ({ pictures, morph }, urls, handlers) => {
  const actions = (/** @type {number} */ number, close = () => {}) => actionsOf(pictures[number], { ...handlers, isStrip: morph !== null, close });
  const listed = pictures.map(({ width, height, alt }, number) => ({ url: urls[number], alt, isSmall: isSmall(width, height) }));
  return pictures.map((picture, number) => {
    const onclick = () => openPictures(listed, number, actions);
    const image = imageOf(urls[number], picture);
    const button = h("button", { class: "result picture-button", type: "button", "data-t-title": "draw.enlarge", onclick }, image);
    button.style.setProperty("aspect-ratio", `${picture.width} / ${picture.height}`);
    const flagged = picture.isFlagged ? h("p", { class: "muted" }, t("draw.flagged")) : null;
    const row = h("div", { class: "row picture-actions" }, ...actions(number));
    return h("figure", { class: morph ? "is-strip" : "" }, button, flagged, row);
  });
};

/** @param {number} width @param {number} height */
const isSmall = (width, height) => Math.min(width, height) < SMALL;

/** @param {string} url @param {Picture} picture */
const imageOf = (url, { width, height, alt }) => {
  const image = h("img", { src: url, alt, width, height });
  image.classList.toggle("pixels", isSmall(width, height));
  return image;
};

/** @param {string | null} url null for a picture that the preview leaves out */
const previewOf = (url) => {
  if (!url) return h("figure", {}, h("div", { class: "result" }));
  const image = h("img", { src: url, alt: t("draw.preview"), class: "is-preview" });
  image.addEventListener("load", () => image.classList.toggle("pixels", isSmall(image.naturalWidth, image.naturalHeight)));
  return h("figure", {}, h("div", { class: "result" }, image));
};

/**
 * Return the buttons of a picture.
 * @param {Picture} picture
 * @param {Handlers & {isStrip: boolean, close: () => void}} given isStrip: whether it is several pictures side by side;
 *   close: of the dialog that it is shown in
 */
const actionsOf = (picture, { onStart, onVary, isStrip, close }) => {
  const action = (/** @type {string} */ key, /** @type {() => void} */ act) =>
    h("button", { class: "button quiet", type: "button", "data-t": key, onclick: act });
  const leave = (/** @type {() => void} */ act) => () => {
    close();
    act();
  };
  return [
    action("draw.download", () => save(picture.blob, picture.name)),
    ...(isStrip ? [] : [action("draw.start-from", leave(() => onStart(picture)))]),
    action("draw.vary", leave(onVary)),
  ];
};
