// @ts-check
/** The tab bar: a view is created when its tab is first opened, and the tab is a part of the address. */

import * as api from "./api.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { explain } from "./problems.js";

/**
 * Create the tabs of views below two elements.
 * @param {{views: typeof import("../views.js").VIEWS, list: any, panels: any, shared: {recording: any, history: any, openView: (id: string) => Promise<any>}}} given
 */
export const createTabs = ({ views, list, panels, shared }) => {
  const tabs = views.map((view) => createTab(view, shared));
  list.append(...tabs.map(({ button }) => button));
  panels.append(...tabs.map(({ panel }) => panel));
  /** @type {typeof tabs[number] | null} */
  let current = null;

  const select = (/** @type {typeof tabs[number]} */ tab) => {
    if (tab === current) return;
    current?.opened?.then((view) => view?.deactivate?.());
    current = tab;
    api.context().then(({ limits }) => {
      if (tab === current) shared.recording.setLimit(tab.longest ? limits[tab.longest] : null);
    });
    for (const each of tabs) {
      const isCurrent = each === tab;
      each.panel.hidden = !isCurrent;
      each.button.setAttribute("aria-selected", String(isCurrent));
      each.button.tabIndex = isCurrent ? 0 : -1;
    }
    showWithin(list, tab.button);
    document.title = `${t(`page.tab.${tab.id}`)} · Photism`;
  };

  /**
   * Open a tab, with settings if there are any, and return its view; nothing if this server has no model for it.
   * @param {string} id
   * @param {Record<string, any>} [settings]
   */
  const open = async (id, settings) => {
    const tab = tabs.find((each) => each.id === id) ?? tabs[0];
    select(tab);
    const view = await tab.open();
    if (tab !== current) return view;
    view?.activate?.();
    if (settings && Object.keys(settings).length) await view?.open?.(settings);
    return view;
  };

  list.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const tab = tabs.find(({ button }) => button.contains(/** @type {Node} */ (event.target)));
    if (tab) location.hash = tab.id;
  });
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const next = neighbour(event.key, tabs.findIndex((tab) => tab === current), tabs.length);
    if (next === null) return;
    event.preventDefault();
    location.hash = tabs[next].id;
    tabs[next].button.focus();
  });
  return { open };
};

/** @param {typeof import("../views.js").VIEWS[number]} view @param {{recording: any, history: any, openView: (id: string) => Promise<any>}} shared */
const createTab = (view, shared) => {
  const { id, kinds, longest, load } = view;
  const attributes = { class: "tab", type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}` };
  const button = h("button", { ...attributes, "data-t": `page.tab.${id}` });
  const panel = h("section", { role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}`, tabindex: -1, hidden: true });
  const create = async () => {
    const models = await api.models();
    const isPossible = !kinds.length || models.some((/** @type {any} */ model) => kinds.some((kind) => model.kinds.includes(kind)));
    if (!isPossible) return void panel.replaceChildren(missing(kinds[0]));
    const opened = await (await load().catch(notLoaded)).view.create(shared);
    panel.replaceChildren(opened.element);
    return opened;
  };
  const again = async () => {
    const opened = await tab.open();
    if (!panel.hidden) opened?.activate?.();
  };
  /**
   * @type {{id: string, longest: typeof longest, button: any, panel: any, opened: Promise<any> | null,
   *   open: () => Promise<any>}}
   */
  const tab = {
    id,
    longest,
    button,
    panel,
    opened: null,
    open: () => {
      tab.opened ??= create().catch((error) => {
        tab.opened = null; // opening it again tries again
        panel.replaceChildren(failure(error, again));
      });
      return tab.opened;
    },
  };
  return tab;
};

/** @param {string} kind */
const missing = (kind) =>
  h("div", { class: "panel notice" }, h("p", {}, t(`page.missing.${kind}`)), h("pre", { dir: "ltr" }, h("code", {}, t(`page.add.${kind}`))));

/**
 * Say why a module was not loaded: the server is gone, or it has been upgraded.
 * @returns {Promise<never>}
 */
const notLoaded = async () => {
  await api.get("/studio/context.json");
  throw new api.Problem({ type: "outdated" });
};

/** @param {unknown} error @param {() => void} again loads the tab again, if the server did not answer */
const failure = (error, again) => {
  const isGone = error instanceof api.Problem && error.type === "unreachable";
  const [label, onclick] = isGone ? ["page.try-again", again] : ["page.reload", () => location.reload()];
  const button = h("button", { class: "button primary", type: "button", "data-t": label, onclick });
  return h("div", { class: "panel error", role: "alert" }, h("p", {}, explain(error)), button);
};

/**
 * Scroll a list so that a tab is in sight, and not the page, as scrollIntoView would.
 * @param {HTMLElement} list @param {HTMLElement} button
 */
const showWithin = (list, button) => {
  const [outer, inner] = [list.getBoundingClientRect(), button.getBoundingClientRect()];
  list.scrollLeft += Math.max(0, inner.right - outer.right) - Math.max(0, outer.left - inner.left);
};

/** @param {string} key @param {number} index @param {number} count */
const neighbour = (key, index, count) => {
  const step = document.documentElement.dir === "rtl" ? -1 : 1;
  if (key === "ArrowRight") return (index + step + count) % count;
  if (key === "ArrowLeft") return (index - step + count) % count;
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : null;
};
