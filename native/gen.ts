/**
 * Prints the byte layouts and constants of the outer frames as the C header that BPF and the addon include. Their source is
 * `runtime/mesh/frame.ts`, `runtime/mesh/handshake/message.ts`, `runtime/policy/table.ts`, and `ingress.ts`, `relay-layout.ts` and
 * `mesh-layout.ts` in `runtime/dataplane/`.
 *
 *   bun native/gen.ts [--check]     writes bpf/layout.gen.h, or fails when it is stale
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Field, type Fields, type Scalar, type Struct, sizeOf } from "../runtime/base/struct.ts";
import {
  ADMISSION_LANES,
  ADMISSION_LIMITS,
  ADMISSION_RATES,
  AdmissionBucket,
  AdmissionKeys,
  INGRESS_VERDICTS,
  MAX_FRAGMENTS,
  SEALED_TAG_SIZE,
  TAG_BYTES_LEAST,
} from "../runtime/dataplane/ingress.ts";
import {
  MESH_DIRECTIONS,
  MESH_DROPS,
  MESH_LIMITS,
  MESH_STATE,
  MeshCount,
  MeshEvent,
  MeshFlow,
  MeshFlowKey,
} from "../runtime/dataplane/mesh-layout.ts";
import {
  RELAY_CLOSED,
  RELAY_DEVICE,
  RELAY_LIMITS,
  RELAY_RETURNED,
  RELAY_VERDICTS,
  RelayConfig,
  RelayDestination,
  RelayNeighbour,
  RelayPath,
  RelaySession,
  RelayState,
} from "../runtime/dataplane/relay-layout.ts";
import {
  FRAME,
  FragmentHeader,
  HELLO,
  HELLO_BITS,
  HELLO_STILL,
  HELLO_TERMS,
  HelloFrame,
  MAX_DATAGRAM,
  RELAY_TTL,
  RelayHeader,
  SEALED_FLAG,
  SealedHeader,
  WIRE_VERSION,
} from "../runtime/mesh/frame.ts";
import { Acknowledge, CookieReply, MESSAGE } from "../runtime/mesh/handshake/message.ts";
import {
  OWN_LEAF,
  PolicyHeader,
  PolicyMember,
  PolicySubnets,
  PROBES_MAX,
  TABLE_FLAG,
} from "../runtime/policy/table.ts";
import { LEAF, LEAF_ALLOWS, LEAF_NUMBER, ROW_WORDS, ROWS_MAX } from "../runtime/policy/trie.ts";

export const LAYOUT_PATH = join(import.meta.dir, "../bpf/layout.gen.h");

/** Big-endian fields keep their width; the `be` in the type name reminds the reader to swap. */
const C_TYPE: Record<Scalar, string> = {
  u8: "__u8",
  u16le: "__u16",
  u32le: "__u32",
  u64le: "__u64",
  u16be: "__be16",
  u32be: "__be32",
};

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const upper = (name: string): string => snake(name).toUpperCase();

function member(name: string, field: Field): string {
  if (typeof field === "string") return `\t${C_TYPE[field]} ${snake(name)};`;
  const array = "bytes" in field ? field.of?.match(/^(\w+)(\[\d+\])$/) : undefined;
  return array ? `\tstruct ${array[1]} ${snake(name)}${array[2]};` : `\t__u8 ${snake(name)}[${sizeOf(field)}];`;
}

function structText<F extends Fields>(layout: Struct<F>): string {
  const asserts = Object.keys(layout.fields).map(
    (key) =>
      `LAYOUT_ASSERT(offsetof(struct ${layout.name}, ${snake(key)}) == ${layout.offsets[key]}, "${layout.name}.${snake(key)}");`,
  );
  return [
    `struct ${layout.name} {`,
    ...Object.entries(layout.fields).map(([key, field]) => member(key, field)),
    "};",
    `LAYOUT_ASSERT(sizeof(struct ${layout.name}) == ${layout.size}, "${layout.name}");`,
    ...asserts,
  ].join("\n");
}

const constants = (prefix: string, values: Readonly<Record<string, number>>): string[] =>
  Object.entries(values).map(([name, value]) => `#define ${prefix}${upper(name)} ${value}`);

/** A rate as what one costs and how much may be owed, in ns. */
const rates = Object.entries(ADMISSION_RATES).flatMap(([name, { rate, burst }]) => [
  `#define ADMISSION_${upper(name)}_COST ${Math.round(1e9 / rate)}ULL`,
  `#define ADMISSION_${upper(name)}_BURST ${Math.round(1e9 * burst)}ULL`,
]);

/** The whole header. The same sources give the same text. */
export function layoutHeader(): string {
  return `${[
    "/* Printed by native/gen.ts from the layouts in runtime/: change those, then run `bun native/gen.ts`. */",
    "#pragma once",
    "#include <linux/types.h>",
    "#include <stddef.h>",
    "",
    "#ifdef __cplusplus",
    "#define LAYOUT_ASSERT static_assert",
    "#else",
    "#define LAYOUT_ASSERT _Static_assert",
    "#endif",
    "",
    `#define WIRE_VERSION ${WIRE_VERSION}`,
    `#define MAX_DATAGRAM ${MAX_DATAGRAM}`,
    `#define MAX_FRAGMENTS ${MAX_FRAGMENTS}`,
    `#define SEALED_TAG_SIZE ${SEALED_TAG_SIZE}`,
    `#define RELAY_TTL ${RELAY_TTL}`,
    `#define MESSAGE_K1 ${MESSAGE.k1}`,
    `#define MESSAGE_F1 ${MESSAGE.f1}`,
    ...constants("FRAME_", FRAME),
    ...constants("SEALED_FLAG_", SEALED_FLAG),
    ...constants("HELLO_", { ...HELLO, still: HELLO_STILL }),
    ...constants("HELLO_", HELLO_BITS),
    ...constants("HELLO_TERMS_", HELLO_TERMS),
    ...INGRESS_VERDICTS.map((name, at) => `#define INGRESS_${upper(name)} ${at}`),
    `#define INGRESS_VERDICTS ${INGRESS_VERDICTS.length}`,
    ...constants("ADMISSION_", ADMISSION_LIMITS),
    ...ADMISSION_LANES.map((name, at) => `#define ADMISSION_LANE_${upper(name)} ${at}`),
    `#define ADMISSION_LANES ${ADMISSION_LANES.length}`,
    ...rates,
    `#define TAG_BYTES_LEAST ${TAG_BYTES_LEAST}`,
    ...RELAY_VERDICTS.map((name, at) => `#define RELAY_VERDICT_${upper(name)} ${at}`),
    `#define RELAY_VERDICTS ${RELAY_VERDICTS.length}`,
    ...constants("RELAY_", { ...RELAY_LIMITS, returned: RELAY_RETURNED, closed: RELAY_CLOSED }),
    ...constants("RELAY_DEVICE_", RELAY_DEVICE),
    ...MESH_DIRECTIONS.map((name, at) => `#define MESH_${upper(name)} ${at}`),
    ...MESH_DROPS.map((name, at) => `#define MESH_DROP_${upper(name)} ${at + 1}`),
    `#define MESH_DROPS ${MESH_DROPS.length}`,
    ...constants("MESH_", MESH_LIMITS),
    ...constants("MESH_STATE_", MESH_STATE),
    ...constants("POLICY_FLAG_", TABLE_FLAG),
    ...constants("POLICY_", { probesMax: PROBES_MAX, rowWords: ROW_WORDS, rowsMax: ROWS_MAX }),
    ...Object.entries({ LEAF, LEAF_ALLOWS, LEAF_NUMBER, OWN_LEAF }).map(
      ([name, value]) => `#define POLICY_${name} ${value}u`,
    ),
    "",
    structText(SealedHeader),
    "",
    structText(RelayHeader),
    "",
    structText(HelloFrame),
    "",
    structText(FragmentHeader),
    "",
    structText(Acknowledge),
    "",
    structText(CookieReply),
    "",
    structText(AdmissionKeys),
    "",
    structText(AdmissionBucket),
    "",
    structText(RelayConfig),
    "",
    structText(RelaySession),
    "",
    structText(RelayPath),
    "",
    structText(RelayNeighbour),
    "",
    structText(RelayState),
    "",
    structText(RelayDestination),
    "",
    structText(PolicyHeader),
    "",
    structText(PolicySubnets),
    "",
    structText(PolicyMember),
    "",
    structText(MeshFlowKey),
    "",
    structText(MeshFlow),
    "",
    structText(MeshEvent),
    "",
    structText(MeshCount),
  ].join("\n")}\n`;
}

/** Whether the header in the tree is what the layouts say now. */
export const isLayoutFresh = (): boolean =>
  existsSync(LAYOUT_PATH) && readFileSync(LAYOUT_PATH, "utf8") === layoutHeader();

if (import.meta.main) {
  if (!process.argv.includes("--check")) writeFileSync(LAYOUT_PATH, layoutHeader());
  else if (!isLayoutFresh()) {
    console.error("bpf/layout.gen.h is stale\nhint: bun native/gen.ts");
    process.exit(1);
  }
}
