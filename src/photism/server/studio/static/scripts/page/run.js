// @ts-check
/** A button that starts work, its progress, Stop, and what went wrong. */

import { announce, h } from "./dom.js";
import { formatNumber, formatTime, t } from "./i18n.js";
import { explain, fieldOf, technicalDetail } from "./problems.js";

/**
 * Create the controls of work that takes some time.
 *
 * `work` reports `progress({state: "queued", position})`, `progress({state: "loading"})` or `progress({done, total})`,
 * with `unit: "seconds"` for seconds of the recording, and shows its results itself. An error never removes an earlier
 * result. When the work has ended, `element` dispatches "done".
 * @param {{label: string, work: (given: {signal: AbortSignal, progress: (state: any) => void}) => Promise<unknown>,
 *   recording?: any, recordingName?: () => string | undefined}} options label: key of the button's text; recording:
 *   what the work is about, after whose change an error says nothing any more; recordingName: by default that of
 *   the recording
 */
export const createRun = ({ label, work, recording, recordingName = () => recording?.current?.name }) => {
  const button = h("button", { class: "button primary", type: "button", "data-t": label });
  const stopButton = h("button", { class: "button", type: "button", "data-t": "page.stop", hidden: true });
  const progress = createProgress();
  const error = h("div", { class: "error", role: "alert", hidden: true });
  const element = h("div", { class: "run" }, h("div", { class: "row" }, button, stopButton), ...progress.elements, error);
  /** @type {AbortController | null} */
  let controller = null;

  const start = async () => {
    stop();
    const own = (controller = new AbortController());
    setBusy(true);
    showError(error, null);
    progress.show({ state: "starting" });
    try {
      await work({ signal: own.signal, progress: (state) => own === controller && progress.show(state) });
    } catch (problem) {
      if (own !== controller || own.signal.aborted) return;
      showError(error, problem, recordingName());
      showAtField(element, problem);
    } finally {
      if (own === controller) {
        controller = null;
        setBusy(false);
        element.dispatchEvent(new Event("done"));
      }
    }
  };

  const stop = () => {
    if (!controller) return;
    controller.abort();
    controller = null;
    setBusy(false);
    progress.end(t("page.stopped"));
    element.dispatchEvent(new Event("done"));
  };

  const setBusy = (/** @type {boolean} */ isBusy) => {
    element.setAttribute("aria-busy", String(isBusy));
    stopButton.hidden = !isBusy;
    if (!isBusy && document.activeElement === stopButton) button.focus();
    if (!isBusy) progress.end();
  };

  button.addEventListener("click", start);
  recording?.addEventListener("change", () => showError(error, null));
  stopButton.addEventListener("click", () => {
    stop();
    announce(t("page.stopped"));
  });
  return {
    element,
    button,
    start,
    stop,
    /** Show a problem as if the work had met it, or none. */
    fail: (/** @type {unknown} */ problem) => showError(error, problem, recordingName()),
    get busy() {
      return controller !== null;
    },
  };
};

/** Create the bar and the words that show how far work is. */
const createProgress = () => {
  const bar = h("progress", { class: "progress", hidden: true, "data-t-label": "page.progress" });
  const status = h("p", { class: "run-status muted" });
  return {
    elements: [bar, status],
    show: (/** @type {any} */ state) => {
      bar.hidden = false;
      if (state.total) Object.assign(bar, { max: state.total, value: state.done });
      else bar.removeAttribute("value");
      status.textContent = statusText(state);
    },
    /** Hide the bar, and say how it ended, if there is anything to say. */
    end: (text = "") => {
      bar.hidden = true;
      status.textContent = text;
    },
  };
};

/**
 * Scroll an element into view if most of it is out of sight, as results are on a phone.
 * @param {Element} element
 */
export const reveal = (element) => {
  const { top, bottom, height } = element.getBoundingClientRect();
  const visible = Math.min(bottom, innerHeight) - Math.max(top, 0);
  if (visible >= Math.min(height, innerHeight) * 0.9) return;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ behavior: isCalm ? "auto" : "smooth", block: height > innerHeight ? "start" : "nearest" });
};

/**
 * Show a problem in an error box, with the words of the server folded away; or none.
 * @param {any} box element with role=alert
 * @param {unknown} problem
 * @param {string} [recording] name of the recording that was sent
 */
export const showError = (box, problem, recording) => {
  box.replaceChildren();
  box.hidden = problem === null;
  if (problem === null) return;
  const detail = technicalDetail(problem);
  box.append(
    h("p", {}, explain(problem, { recording })),
    ...(detail ? [h("details", {}, h("summary", { "data-t": "problems.details" }), h("p", { lang: "en", dir: "ltr" }, detail))] : []),
  );
};

/**
 * Say what is wrong at the field that the server names, too; it is focused, unless the visitor is elsewhere by now.
 * @param {HTMLElement} run @param {unknown} problem
 */
const showAtField = (run, problem) => {
  const name = fieldOf(problem);
  const found = name ? run.closest("[role=tabpanel]")?.querySelectorAll(`[data-field="${CSS.escape(name)}"]`) : null;
  const field = [...(found ?? [])].find((each) => !each.closest("[hidden]"));
  if (!field) return;
  field.dispatchEvent(new CustomEvent("problem", { detail: explain(problem) }));
  const focused = document.activeElement;
  if (focused === document.body || run.contains(focused)) /** @type {HTMLElement | null} */ (field.querySelector("[aria-invalid]"))?.focus();
};

/** @param {any} state */
const statusText = (state) => {
  if (state.state === "queued") return state.position ? t("page.queued", { position: state.position }) : t("page.starting");
  if (state.state === "loading") return t("page.loading");
  if (state.unit === "seconds") return t("page.seconds", { done: formatTime(state.done), total: formatTime(state.total) });
  if (state.total) return t("page.step", { done: formatNumber(state.done), total: formatNumber(state.total) });
  return t("page.starting");
};
