/** Writes the body of one PUT into a file and syncs it before it answers: `node upload-sink.mjs FILE PORT-FILE`. */
import { createWriteStream, fsyncSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { pipeline } from "node:stream/promises";

const [target, portFile] = process.argv.slice(2);
async function keep(request, response) {
  const file = createWriteStream(target, { autoClose: false });
  await pipeline(request, file);
  fsyncSync(file.fd);
  response.statusCode = 201;
  response.end();
}

const server = createServer((request, response) => void keep(request, response));
server.listen(0, "127.0.0.1", () => writeFileSync(portFile, `${server.address().port}\n`));
