/** Asks a control socket, as whichever user runs it: `ask.ts SOCKET METHOD`. Prints the answer, or the error's code. */
import { call } from "../../../runtime/api/client.io.ts";
import { TrellisError } from "../../../runtime/base/errors.ts";

const [path, method] = process.argv.slice(2) as [string, string];
try {
  console.log(JSON.stringify(await call(path, method)));
} catch (thrown) {
  console.log(thrown instanceof TrellisError ? thrown.code : String(thrown));
}
