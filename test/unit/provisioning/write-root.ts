/** Writes a root file, and prints the error's code and what is left beside it: `write-root.ts FILE`. */
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { TrellisError } from "../../../runtime/base/errors.ts";
import { native as crypto } from "../../../runtime/crypto/native.ts";
import { generateRoot } from "../../../runtime/identity/root.ts";
import { writeRootFile } from "../../../runtime/provisioning/root-file.io.ts";
import { systemRandom } from "../../../runtime/system.io.ts";

const path = process.argv[2] as string;
const { secrets } = await generateRoot(crypto, systemRandom);
const thrown = await writeRootFile(crypto, systemRandom, path, "correct horse battery", [secrets]).catch((e) => e);
console.log(
  JSON.stringify({
    code: thrown instanceof TrellisError ? thrown.code : String(thrown),
    left: readdirSync(dirname(path)),
  }),
);
