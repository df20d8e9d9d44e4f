// @ts-check
/** Canvases that are sharp on every screen and have the colours of the page. */

/**
 * Create a canvas that is drawn again when its size or the colours of the page change.
 * @param {string} name its class
 * @param {(context: CanvasRenderingContext2D, width: number, height: number) => void} draw called with the size in CSS
 *   pixels
 */
export const createCanvas = (name, draw) => {
  const element = document.createElement("canvas");
  element.className = name;
  element.setAttribute("aria-hidden", "true");
  let isExpected = false;
  const redraw = () => {
    isExpected = false;
    const { width, height } = element.getBoundingClientRect();
    const context = element.getContext("2d");
    if (!width || !height || !context) return;
    const scale = devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (element.width !== wide || element.height !== high) Object.assign(element, { width: wide, height: high });
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, width, height);
  };
  const update = () => {
    if (!isExpected) requestAnimationFrame(redraw);
    isExpected = true;
  };
  new ResizeObserver(update).observe(element);
  new MutationObserver(update).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return { element, update };
};

/**
 * Return the value of a custom property where an element stands.
 * @param {Element} element
 * @param {string} name such as "--accent"
 */
export const colourOf = (element, name) => getComputedStyle(element).getPropertyValue(name).trim() || "gray";
