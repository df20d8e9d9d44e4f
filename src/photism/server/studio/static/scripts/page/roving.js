// @ts-check
/** Arrow keys within a list or grid of items, one of which is reached by Tab. */

/**
 * Let the arrow keys, Home and End move the focus among the visible items of a container.
 *
 * Call the returned function when the items have changed: it keeps exactly one of them reachable by Tab.
 * @param {HTMLElement} container
 * @param {string} selector of the items
 */
export const rove = (container, selector) => {
  const all = () => /** @type {HTMLElement[]} */ ([...container.querySelectorAll(selector)]);
  const items = () => all().filter((item) => !item.hidden);

  const makeReachable = (/** @type {HTMLElement | undefined} */ item) => {
    for (const each of all()) if (each.tabIndex === 0) each.tabIndex = -1;
    if (item) item.tabIndex = 0;
  };

  container.addEventListener("focusin", (event) => {
    const item = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(selector));
    if (item) makeReachable(item);
  });
  container.addEventListener("keydown", (event) => {
    const visible = items();
    const index = visible.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const next = index < 0 ? undefined : visible[target(event.key, index, visible)];
    if (!next || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  return () => {
    const visible = items();
    makeReachable(visible.find((item) => item.tabIndex === 0) ?? visible[0]);
  };
};

/**
 * Return the index of the item to which a key leads, -1 for other keys.
 * @param {string} key
 * @param {number} index
 * @param {HTMLElement[]} items
 */
const target = (key, index, items) => {
  const isMirrored = getComputedStyle(items[index]).direction === "rtl";
  const step = isMirrored ? -1 : 1;
  const last = items.length - 1;
  const inARow = () => Math.max(1, items.findIndex((item) => item.offsetTop !== items[0].offsetTop));
  if (key === "Home") return 0;
  if (key === "End") return last;
  if (key === "ArrowRight") return Math.min(last, Math.max(0, index + step));
  if (key === "ArrowLeft") return Math.min(last, Math.max(0, index - step));
  if (key === "ArrowDown") return Math.min(last, index + inARow());
  return key === "ArrowUp" ? Math.max(0, index - inARow()) : -1;
};
