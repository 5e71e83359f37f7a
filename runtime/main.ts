#!/usr/bin/env bun
/** Where the process begins: the engine's options before anything is read, then the program, prepared where that is so. */
import { settleEngine } from "./cli/engine.io.ts";
import { preparedProgram } from "./cli/prepared.io.ts";

const argv = process.argv.slice(2);
// Whoever has a file of that name to send begins anew for nothing, some 10 ms.
if (argv.includes("run")) settleEngine();
const prepared = preparedProgram();
const program: typeof import("./cli/program.ts") = prepared ? require(prepared) : await import("./cli/program.ts");
await program.main(argv);
