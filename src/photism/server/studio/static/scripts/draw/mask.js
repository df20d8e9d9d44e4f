// @ts-check
/** The pixels of an inpainting mask: strokes that paint and erase, and undo. */

/** Longest side in which a mask is painted; it is exported at the size of its picture. */
const MAX_SIDE = 1024;
/** Steps that can be undone. */
const MAX_UNDO = 20;

/** An inpainting mask: opaque pixels of `canvas` are drawn again, the rest of the picture stays as it is. */
export class Mask {
  canvas = document.createElement("canvas");
  /** @type {HTMLCanvasElement[]} */
  #earlier = [];
  #size;

  /** @param {{width: number, height: number}} size of the picture in pixels */
  constructor({ width, height }) {
    const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
    this.#size = { width, height };
    Object.assign(this.canvas, { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
  }

  get #context() {
    return /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { willReadFrequently: true }));
  }

  get canUndo() {
    return this.#earlier.length > 0;
  }

  /** Return whether nothing is painted. */
  get isEmpty() {
    const { width, height } = this.canvas;
    const { data } = this.#context.getImageData(0, 0, width, height);
    for (let at = 3; at < data.length; at += 4) if (data[at] >= 128) return false;
    return true;
  }

  /** Keep the present state, to which `undo` returns. */
  begin() {
    this.#earlier = [...this.#earlier, copyOf(this.canvas)].slice(-MAX_UNDO);
  }

  undo() {
    const last = this.#earlier.pop();
    if (last) this.#replace(last);
  }

  /**
   * Paint or erase a line with a round brush.
   * @param {{x: number, y: number}} from @param {{x: number, y: number}} to in pixels of `canvas`
   * @param {number} size diameter of the brush @param {boolean} isErasing
   */
  line(from, to, size, isErasing) {
    const context = this.#context;
    context.globalCompositeOperation = isErasing ? "destination-out" : "source-over";
    Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: size, strokeStyle: "#fff" });
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y + (from.x === to.x && from.y === to.y ? 0.01 : 0)); // a line of no length is no dot
    context.stroke();
    context.globalCompositeOperation = "source-over";
  }

  clear() {
    this.begin();
    this.#context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  invert() {
    this.begin();
    const context = this.#context;
    const { width, height } = this.canvas;
    context.globalCompositeOperation = "xor";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "source-over";
  }

  /**
   * Take the white pixels of a picture of a mask.
   * @param {ImageBitmap} picture
   */
  read(picture) {
    const context = this.#context;
    const { width, height } = this.canvas;
    context.drawImage(picture, 0, 0, width, height);
    const image = context.getImageData(0, 0, width, height);
    for (let at = 0; at < image.data.length; at += 4) image.data[at + 3] = image.data[at];
    context.putImageData(image, 0, 0);
  }

  /**
   * Return a PNG of the size of the picture, white where it is drawn again and black elsewhere; null if
   * nothing is painted.
   * @returns {Promise<File | null>}
   */
  async file() {
    if (this.isEmpty) return null;
    const canvas = Object.assign(document.createElement("canvas"), this.#size);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(this.canvas, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    return new File([/** @type {Blob} */ (/** @type {unknown} */ (blob))], "mask.png", { type: "image/png" });
  }

  /** @param {HTMLCanvasElement} other */
  #replace(other) {
    this.#context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.#context.drawImage(other, 0, 0);
  }
}

/** @param {HTMLCanvasElement} canvas */
const copyOf = (canvas) => {
  const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  copy.getContext("2d")?.drawImage(canvas, 0, 0);
  return copy;
};
