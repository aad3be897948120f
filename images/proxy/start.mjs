// Reads the token from its file and hands over to configurable-http-proxy in this same process.
//
// The proxy takes its token from the environment only. A file that just this user may read keeps
// it out of compose's configuration and of `docker inspect`.
import { readFileSync } from "node:fs";

const file = process.env.ROOM_PROXY_TOKEN_FILE || "/run/secrets/proxy_token";

if (!process.env.CONFIGPROXY_AUTH_TOKEN) {
  let token = "";
  try {
    token = readFileSync(file, "utf8").trim();
  } catch (error) {
    console.error(
      `The proxy cannot read its token from ${file} (${error.code}). ` +
        "Mount the room's proxy_token there, readable by user 1100, " +
        "or name another file in ROOM_PROXY_TOKEN_FILE.",
    );
    process.exit(2);
  }
  if (!token) {
    console.error(`${file} is empty: put the room's proxy token there.`);
    process.exit(2);
  }
  process.env.CONFIGPROXY_AUTH_TOKEN = token;
}

await import("./node_modules/configurable-http-proxy/bin/configurable-http-proxy");
