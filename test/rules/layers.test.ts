import { describe, expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { importsOf, SOURCES, textOf } from "./sources.ts";

/** A part may import only parts above it in this table; parts in one row never import each other. */
const LAYERS = [
  ["base"],
  ["config", "crypto", "store"],
  ["identity"],
  ["mesh", "transfer", "policy", "names", "subnets", "sync"],
  ["provisioning"],
  ["dataplane"],
  ["api"],
  ["system.io.ts", "membership.ts"],
  ["methods.ts", "brokering.io.ts", "meeting.io.ts"],
  [
    "policing.io.ts",
    "naming.io.ts",
    "subnetting.io.ts",
    "discovering.io.ts",
    "storing.io.ts",
    "syncing.io.ts",
    "linking.io.ts",
    "trimming.io.ts",
  ],
  ["data-path.io.ts", "node-options.ts"],
  ["node.ts"],
  ["joining.io.ts"],
  ["cli"],
  ["main.ts"],
];
/** Files of the mesh that others may import: its doors. */
const MESH_DOORS = [
  ...["runtime/mesh/mesh.ts", "runtime/mesh/types.ts", "runtime/mesh/ports.ts", "runtime/mesh/frame.ts"],
  "runtime/mesh/discovery/discovery.ts",
];
/** Interfaces that a higher part implements: types only. */
const PORTS = ["runtime/mesh/handshake/ports.ts"];

const part = (path: string): string => path.split("/")[1] as string;
const rank = (name: string): number => LAYERS.findIndex((row) => row.includes(name));

function wrongImports(file: string, text: string): string[] {
  return importsOf(text)
    .filter((from) => from.startsWith("."))
    .map((from) => join(dirname(file), from))
    .filter((path) => path.startsWith("runtime/"))
    .filter((path) => part(path) !== part(file))
    .filter((path) => {
      if (rank(part(path)) < 0 || rank(part(path)) >= rank(part(file))) return true;
      return part(path) === "mesh" && !MESH_DOORS.includes(path) && !PORTS.includes(path);
    });
}

describe("layers", () => {
  test.each(SOURCES.filter((f) => f.startsWith("runtime/")))(
    "%s imports only lower parts, by their doors",
    async (file) => {
      expect(rank(part(file))).toBeGreaterThanOrEqual(0);
      expect(wrongImports(file, await textOf(file))).toEqual([]);
    },
  );

  test.each([
    ["a higher part", "runtime/base/x.ts", 'import { a } from "../crypto/labels.ts";'],
    ["a part of its own row", "runtime/crypto/x.ts", 'import { a } from "../store/files.ts";'],
    ["the inside of the mesh", "runtime/api/x.ts", 'import { a } from "../mesh/session/replay.ts";'],
  ])("the rule sees an import of %s", (_, file, text) => {
    expect(wrongImports(file, text)).toHaveLength(1);
  });
});
