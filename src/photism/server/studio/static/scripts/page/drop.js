// @ts-check
/** Files that are dropped anywhere on the page: sounds, pictures with settings, and pictures to start from. */

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { showNotice } from "./notice.js";
import { readSettings } from "./png_metadata.js";
import { recording } from "../recording/recording.js";
import { checkSettings } from "./share_link.js";

/** Files of these types, or with these endings, are pictures; SVG is none of the pixels that a drawing starts from. */
const PICTURE = /^image\/(?!svg)/;
const PICTURE_NAME = /\.(png|jpe?g|webp|gif|bmp|avif|tiff?|heic)$/i;
/** Types of files that are certainly no recordings. */
const OTHER = /^(text\/|image\/svg|application\/(pdf|json|zip|xml|x-tar|gzip|vnd\.|msword))/;

/** @type {(verb: string, settings?: Record<string, any>) => Promise<any>} */
let openView = async () => {};

/**
 * Take files that are dropped on the page, except where a part of the page takes them itself.
 * @param {{openView: (verb: string, settings?: Record<string, any>) => Promise<any>}} given openView: shows a view with
 *   settings
 */
export const installDrop = (given) => {
  openView = given.openView;
  const cue = h("div", { class: "drop-cue", "aria-hidden": true, hidden: true }, h("p", { "data-t": "drop.cue" }));
  document.body.append(cue);
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  let depth = 0;
  const setDepth = (/** @type {number} */ value) => {
    depth = Math.max(0, value);
    cue.hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => hasFiles(event) && setDepth(depth + 1));
  addEventListener("dragleave", (event) => hasFiles(event) && setDepth(depth - 1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    setDepth(0);
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    const [file, other] = event.dataTransfer?.files ?? [];
    if (other) showNotice(t("drop.several", { name: file.name }));
    if (file) openFile(file);
  });
};

/**
 * Open a file: a picture of Photism restores its settings, any other picture can be drawn from, and everything else is
 * a recording.
 * @param {File} file
 */
export const openFile = async (file) => {
  const { name } = file;
  const restored = await readSettings(file).catch(() => null);
  if (restored) {
    const { settings, ignored } = await checkSettings(restored.verb, restored.settings);
    await openView(restored.verb, settings);
    const files = restored.files.join(", ");
    const tab = t(`page.tab.${restored.verb}`);
    const sentences = [t(files ? "drop.restored.files" : "drop.restored", { name, tab, files })];
    if (ignored.length) sentences.push(t("history.ignored", { names: ignored.join(", ") }));
    return showNotice(sentences.join(" "));
  }
  if (PICTURE.test(file.type) || PICTURE_NAME.test(name)) {
    const isWhole = await createImageBitmap(file).then((bitmap) => (bitmap.close(), true), () => false);
    if (!isWhole) return showNotice(t("drop.damaged", { name }));
    const offer = { label: "drop.picture.use", act: () => openView("draw", { image: file }) };
    return showNotice(t("drop.picture", { name }), [offer]);
  }
  if (OTHER.test(file.type)) return showNotice(t("drop.unknown", { name }));
  await recording.set(file, { name, origin: "upload" });
};
