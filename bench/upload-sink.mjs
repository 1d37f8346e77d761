/**
 * Writes the body of each PUT into a file of its own and syncs it before it answers: `node upload-sink.mjs FOLDER
 * PORT-FILE`.
 */
import { createWriteStream, fsyncSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";

const [folder, portFile] = process.argv.slice(2);
async function keep(request, response) {
  const file = createWriteStream(join(folder, basename(request.url)), { autoClose: false });
  await pipeline(request, file);
  fsyncSync(file.fd);
  response.statusCode = 201;
  response.end();
}

const server = createServer((request, response) => void keep(request, response));
server.listen(0, "127.0.0.1", () => writeFileSync(portFile, `${server.address().port}\n`));
