/** Two gateways behind boxes that translate addresses, and a public one: over it, or directly, as the boxes allow. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BOXES, type BoxName } from "../help/boxes.ts";
import { TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must } from "../help/shell.ts";
import { TcpStream } from "../help/stream.ts";

const FILE = "test/netns/nat.test.ts";
const ready = able(FILE, "root", "tun", "netns", "addon", "command:ip", "command:ss", "command:nft");

interface Peer {
  readonly name: string;
  readonly state: string;
  readonly via: string | null;
  readonly sessionAgeMs: number | null;
}

/** Wires of two inner gateways, each to its box, and of boxes and the public one to the router between them. */
const WIRES = [
  ["b", "box-b"],
  ["box-b", "internet"],
  ["c", "box-c"],
  ["box-c", "internet"],
  ["m", "internet"],
] as const;

class BoxedNet extends TestNet {
  constructor() {
    super("m", "b", "c", "box-b", "box-c", "internet");
  }

  async buildBoxes(kinds: Readonly<Record<"b" | "c", BoxName>>): Promise<void> {
    await this.buildWires(...WIRES);
    const gateways = { b: "10.78.1.2", "box-b": "10.78.2.2", c: "10.78.3.2", "box-c": "10.78.4.2", m: "10.78.5.2" };
    for (const [name, via] of Object.entries(gateways))
      await must(["ip", "-n", this.at(name).namespace, "route", "add", "default", "via", via]);
    for (const name of ["box-b", "box-c", "internet"])
      await must(this.at(name).inside("sysctl", "-qw", "net.ipv4.ip_forward=1"));
    await this.become("b", kinds.b);
    await this.become("c", kinds.c);
  }

  /** The box before a gateway is another one from now on; what it had let through so far it still does. */
  async become(name: "b" | "c", kind: BoxName): Promise<void> {
    const rules = BOXES[kind]({ outer: "to-internet", inner: name === "b" ? "10.78.1.1" : "10.78.3.1" });
    const nft = Bun.spawn(this.at(`box-${name}`).inside("nft", "-f", "-"), {
      stdin: Buffer.from(rules),
      stderr: "pipe",
    });
    expect([await nft.exited, await new Response(nft.stderr).text()]).toEqual([0, ""]);
  }

  async startAll(): Promise<void> {
    await this.at("m").json("init", "--name", "m");
    await this.at("m").start();
    for (const name of ["b", "c"]) {
      const { token } = await this.at("m").json<{ token: string }>("invite");
      await this.at(name).json("join", token, "--name", name);
      await this.at(name).start();
    }
  }

  async peer(on: string, name: string): Promise<Peer | undefined> {
    return (await this.at(on).json<{ peers: Peer[] }>("peers")).peers.find((p) => p.name === name);
  }

  /** `via`: by whom they reach each other; null for directly. */
  async untilVia(via: string | null): Promise<void> {
    for (const [on, other] of [
      ["b", "c"],
      ["c", "b"],
    ] as const)
      await until(`${on} to reach ${other} ${via === null ? "directly" : `over ${via}`}`, async () => {
        const peer = await this.peer(on, other);
        return peer?.state === "up" && peer.via === via ? true : undefined;
      });
  }
}

describe.skipIf(!ready).each([
  ["port-restricted", "port-restricted"],
  ["symmetric", "address-restricted"],
] as const)("behind a %s and a %s box", (b, c) => {
  const net = new BoxedNet();
  beforeAll(async () => {
    await net.buildBoxes({ b, c });
    await net.startAll();
  });
  afterAll(() => net.remove());

  test("two gateways find the direct way", async () => {
    await net.untilVia(null);
  });
});

describe.skipIf(!ready)("behind a symmetric and a port-restricted box", () => {
  const net = new BoxedNet();
  let stream: TcpStream | undefined;
  beforeAll(async () => {
    await net.buildBoxes({ b: "symmetric", c: "port-restricted" });
    await net.startAll();
  });
  afterAll(async () => {
    await stream?.end();
    await net.remove();
  });

  test("two gateways go over the public one", async () => {
    await net.untilVia("m");
    stream = await TcpStream.start(net.at("b"), net.at("c"));
    expect(await stream.goesOn()).toMatchObject({ connections: 1, ended: 0, wrong: 0 });
  });

  test("whose box netcheck names", async () => {
    const kindOf = async (name: string): Promise<string | undefined> => {
      const { nat } = await net.at(name).json<{ nat: { family: string; kind: string }[] }>("netcheck");
      return nat.find((n) => n.family === "IPv4")?.kind;
    };
    // One public peer tells that there is a box, not which; what no box translates is told at once.
    for (const [name, kind] of Object.entries({ m: "none", b: "single", c: "single" }))
      await until(`netcheck of ${name}`, async () => ((await kindOf(name)) === kind ? true : undefined));
  });

  test("and directly, in the same session, once a box lets them", async () => {
    const { sessionAgeMs } = (await net.peer("b", "c")) as Peer;
    await net.become("c", "address-restricted");
    await net.untilVia(null);
    expect(await stream?.goesOn()).toMatchObject({ connections: 1, ended: 0, wrong: 0 });
    expect((await net.peer("b", "c"))?.sessionAgeMs).toBeGreaterThan(sessionAgeMs as number);
  });
});
