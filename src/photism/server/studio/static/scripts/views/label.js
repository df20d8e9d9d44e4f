// @ts-check
/** Label: the classes of the recording, by a trained classifier. */

import { createLabelView } from "../listening/label_view.js";

export const view = {
  id: "label",
  create: (/** @type {any} */ shared) =>
    createLabelView(
      {
        id: "label",
        path: "/v1/label",
        kind: "classifier",
        button: "listening.label.button",
        common: ["window", "top_k"],
        isShare: ({ function: applied }, scores) => applied !== "none" && scores.every(({ score }) => score >= 0 && score <= 1),
      },
      shared,
    ),
};
