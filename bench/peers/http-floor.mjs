/** What no server on `node:http` is cheaper than: it reads a post and answers, and looks at nothing. `http-floor.mjs PORT` */
import { createServer } from "node:http";

const ANSWER = '{"seq":0,"wants":[]}';
const HEADERS = { "content-type": "application/json", "content-length": ANSWER.length };

createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    response.writeHead(202, HEADERS);
    response.end(ANSWER);
  });
}).listen(Number(process.argv[2]), "127.0.0.1", () => {
  console.log(JSON.stringify({ msg: "listening" }));
});
