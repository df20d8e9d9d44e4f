// @ts-check
/** Start of the page: language, recording, tabs and history. */

import * as api from "./page/api.js";
import { createCatalogue } from "./catalogue/catalogue.js";
import { h } from "./page/dom.js";
import { installDrop } from "./page/drop.js";
import { history } from "./history/history.js";
import { chooseLanguage, currentLanguage, loadLanguage, t, translate } from "./page/i18n.js";
import { explain } from "./page/problems.js";
import { recording } from "./recording/recording.js";
import { openedLink } from "./page/share_link.js";
import { writeText } from "./page/stored.js";
import { createTabs } from "./page/tabs.js";
import { VIEWS } from "./views.js";

const byId = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

const start = async () => {
  const context = await api.context();
  await loadLanguage(context.languages);
  byId("lead").append(history.button);
  translate(document);
  showLanguages(context.languages);
  showTheme();
  byId("version").textContent = context.version;
  byId("recording").append(recording.panel);
  byId("history").append(history.panel);
  const views = VIEWS.filter((view) => !view.isCollection || context.collection);
  const openView = (/** @type {string} */ id, /** @type {Record<string, any>} */ settings = {}) => {
    window.history.pushState(null, "", `#${id}`); // which, unlike setting the hash, opens nothing a second time
    return tabs.open(id, settings);
  };
  const shared = { recording, history, openView };
  const tabs = createTabs({ views, list: byId("tabs"), panels: byId("views"), shared });
  history.connect({ openView });
  installDrop({ openView });
  const openLink = async () => {
    const link = await openedLink();
    return tabs.open(link?.verb ?? views[0].id, link?.settings);
  };
  addEventListener("hashchange", openLink);
  byId("skip").addEventListener("click", skip);
  await Promise.all([openLink(), showCatalogue()]);
  document.documentElement.dataset.ready = "true"; // which shows the page
};

/** Focus the button that starts the work of the open tab. @param {Event} event */
const skip = (event) => {
  event.preventDefault(); // the address names the tab
  const panel = byId("views").querySelector("[role=tabpanel]:not([hidden])");
  const target = panel.querySelector(".button.primary") ?? panel;
  target.scrollIntoView({ block: "center" });
  target.focus();
};

/** Show what to say, if the model has a list of it. */
const showCatalogue = async () => {
  const element = await createCatalogue().catch(() => null);
  if (element) byId("catalogue").append(element);
  byId("catalogue").hidden = !element;
};

/** @param {string[]} codes */
const showLanguages = (codes) => {
  const choice = byId("language");
  const name = (/** @type {string} */ code) => new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  choice.append(...codes.map((code) => h("option", { value: code, lang: code }, name(code))));
  choice.value = currentLanguage();
  choice.addEventListener("change", () => chooseLanguage(choice.value));
};

const showTheme = () => {
  const button = byId("theme");
  const root = document.documentElement;
  const isDark = () => root.dataset.theme === "dark"; // as theme.js has set it
  const show = () => (button.textContent = t(isDark() ? "page.light" : "page.dark"));
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    writeText("photism.theme", root.dataset.theme);
  });
  new MutationObserver(show).observe(root, { attributeFilter: ["data-theme"] });
  show();
};

start().catch((error) => {
  console.error(error);
  document.documentElement.dataset.ready = "true";
  byId("views").replaceChildren(h("p", { class: "panel error", role: "alert" }, explain(error)));
});
