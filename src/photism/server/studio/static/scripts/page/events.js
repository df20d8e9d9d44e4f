// @ts-check
/** Read server-sent events from the answer to a request with a body, which EventSource cannot send. */

/**
 * Iterate over the events of an answer; comments, which keep the connection open, are skipped.
 * @param {Response} response
 * @returns {AsyncGenerator<{name: string, data: string}>}
 */
export async function* readEvents(response) {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event.data) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** @param {string} block */
const parseEvent = (block) => {
  const lines = block.split(/\r?\n/).map((line) => /^(\w+): ?(.*)$/.exec(line));
  const values = (/** @type {string} */ name) => lines.filter((found) => found?.[1] === name).map((found) => found?.[2]);
  return { name: values("event").pop() ?? "message", data: values("data").join("\n") };
};
