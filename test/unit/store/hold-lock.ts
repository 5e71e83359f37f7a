/** Tries to lock a file, prints how that went, and stays until it is killed: `hold-lock.ts FILE`. */
import { tryLock } from "../../../runtime/store/lock.io.ts";

const { release, holder } = tryLock(process.argv[2] as string);
console.log(release ? "mine" : `held by ${holder}`);
setInterval(() => {}, 1000);
