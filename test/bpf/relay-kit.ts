/** The gateway of relay-lab.ts as its tests ask it, and what the programs' verdicts mean to the kernel. */
import { expect } from "bun:test";
import { join } from "node:path";
import { loadAddon, relayObjects } from "../../runtime/dataplane/addon.io.ts";
import type { RelayVerdict } from "../../runtime/dataplane/relay-layout.ts";
import { HELLO, HelloFrame } from "../../runtime/mesh/frame.ts";
import { Child } from "../help/child.ts";
import { helloFrame } from "../help/relay-frames.ts";
import { able } from "../help/require.ts";
import { must, until } from "../help/shell.ts";
import { type Datagram, ethernetFrame } from "../help/underlay-packet.ts";
import type { LabAnswers, LabRequest } from "./relay-lab.ts";
import { arriving, build, LAB, leaving, type Name, NETNS, OWN, ownerOf } from "./relay-wire.ts";

export function canRun(file: string): boolean {
  if (!able(file, "addon", "root", "netns", "command:ip")) return false;
  const { bpf, libbpf } = loadAddon().addon?.probe() ?? { bpf: "no addon", libbpf: "" };
  const lack = bpf !== "" ? `BPF is refused (${bpf})` : libbpf === "" ? "libbpf.so.1 is not installed" : undefined;
  const reason = lack ?? (relayObjects() ? undefined : "the BPF objects are not built (clang)");
  if (reason) console.log(`SKIP ${file}: ${reason}`);
  return reason === undefined;
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

export interface Greeted {
  readonly verdict: RelayVerdict | undefined;
  readonly to?: string;
  readonly payload?: string;
}

export const CODE = { tc: { pass: -1, drop: 2, redirect: 7 }, xdp: { pass: 2, drop: 1, redirect: 4 } };
const HANDED_OVER: readonly RelayVerdict[] = ["unresolved", "otherFamily", "mixed", "newPlace"];

export type Hook = "tc" | "xdp";
export const HOOKS = ["tc", "xdp"] as const;

/** The three implementations. The kernel's programs have their tables in common, the forwarder has its own. */
export type Way = Hook | "userspace";
export const WAYS = ["tc", "xdp", "userspace"] as const;

export function codeOf(hook: Hook, verdict: RelayVerdict | undefined): number {
  const codes = CODE[hook];
  if (verdict === "forward" || verdict === "reply") return codes.redirect;
  return verdict === undefined || verdict === "deliver" || HANDED_OVER.includes(verdict) ? codes.pass : codes.drop;
}

export class Lab {
  #child: Child<LabRequest, LabAnswers>;

  private constructor(child: Child<LabRequest, LabAnswers>) {
    this.#child = child;
  }

  static async start(): Promise<Lab> {
    await build();
    return new Lab(new Child(NETNS, join(import.meta.dir, "relay-lab.ts"), LAB));
  }

  async end(): Promise<void> {
    await this.#child.end();
    await must(["ip", "netns", "delete", NETNS]);
  }

  get ask(): Child<LabRequest, LabAnswers>["ask"] {
    return this.#child.ask.bind(this.#child);
  }

  run(hook: Hook, frame: Uint8Array, segment = 0, checksumKnown = false): Promise<LabAnswers["kernel"]> {
    return this.#child.ask({ call: "kernel", frame: hex(frame), xdp: hook === "xdp", segment, checksumKnown });
  }

  /** What becomes of a neighbour's hello, and the reply without its headers. */
  async greet(way: Way, from: Name, hello: Uint8Array, more: Partial<Datagram> = {}): Promise<Greeted> {
    if (way === "userspace") return await this.#child.ask({ call: "userspace", payload: hex(hello), from });
    const frame = ethernetFrame(arriving(from, hello, more));
    const { verdict, code, frame: after } = await this.run(way, frame);
    expect(code).toBe(codeOf(way, verdict));
    if (verdict !== "reply") {
      expect(after).toBe(hex(frame));
      return { verdict };
    }
    const payload = after.slice(-2 * HelloFrame.size);
    expect(after).toBe(hex(ethernetFrame(leaving(from, fromHex(payload))))); // checksums too
    return { verdict, to: from, payload };
  }
  /** Asks until its answer to the gateway's own question comes in time: from then on the neighbour counts as alive for `patience` ms. */
  async untilHeard(way: Way, from: Name, patience: number): Promise<Uint8Array> {
    const hop = { from: ownerOf(from), to: OWN };
    return await until("the neighbour to be heard", 30_000, async () => {
      const { payload } = await this.greet(way, from, helloFrame(hop));
      const { answered } = HelloFrame.decode(fromHex(payload ?? "")) ?? { answered: 0n };
      const confirm = helloFrame(hop, { kind: HELLO.confirm, patience, answered });
      return (await this.greet(way, from, confirm)).verdict === "heard" ? confirm : undefined;
    });
  }
}
