// `npm run mock`: the pretended service at 127.0.0.1:8000, or at the port that is given.

import { parseArgs } from "node:util";

import { Mock } from "./server.mjs";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8000" },
    hostile: { type: "boolean", default: false },
    key: { type: "string", default: "" },
  },
});
const mock = new Mock({ hostile: values.hostile, key: values.key });
console.log(`the pretended service is at ${await mock.start(Number(values.port))}`);
