// @ts-check
/** Hear: the captions that are nearest to the recording. */

import { captionName, loadCaptionNames } from "../catalogue/caption_names.js";
import { createChipsInput } from "../controls/chips_input.js";
import { createLabelView } from "../listening/label_view.js";

export const view = {
  id: "hear",
  create: (/** @type {any} */ shared) =>
    createLabelView(
      {
        id: "hear",
        path: "/v1/hear",
        kind: "drawing",
        button: "listening.hear.button",
        common: ["label", "window", "top_k"],
        custom: { label: () => createChipsInput({ placeholder: "listening.hear.labels" }) },
        isShare: () => false, // similarities
        namesOf: async ({ label, model }) => {
          if (label) return undefined; // the visitor's own words
          await loadCaptionNames(model);
          return captionName;
        },
      },
      shared,
    ),
};
