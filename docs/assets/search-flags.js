// To the search, a leading "-" means "without"; in these pages it begins a flag, whose words are searched instead.
{
  const QUERY = 2; // the type of the message that holds what is searched
  const send = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    const isQuery = message?.type === QUERY && typeof message.data === "string";
    const data = isQuery ? message.data.replace(/(^|\s)-+/g, "$1") : message?.data;
    return send.call(this, isQuery ? { ...message, data } : message, ...rest);
  };
}
