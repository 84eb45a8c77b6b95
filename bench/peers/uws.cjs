// uWebSockets: its own publish to a topic. Loads under Node 20 only.
const uws = require("@trufflesuite/uws-js-unofficial");

const [port = "0", publisherPort = "0"] = process.argv.slice(2);
const app = uws.App();
app.ws("/*", {
  compression: 0,
  idleTimeout: 0,
  maxBackpressure: 64 * 1024 * 1024,
  open: (ws) => void ws.subscribe("sheet"),
});
app.listen("127.0.0.1", Number(port), (token) => {
  if (!token) process.exit(1);
  console.log(JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` }));
});
void import("./publisher-port.mjs").then(({ listenForMessages }) =>
  listenForMessages(Number(publisherPort), (messages) => {
    for (const message of messages) app.publish("sheet", message, false);
  }),
);
