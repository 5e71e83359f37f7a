/** Four gateways in a ring, each of which reaches two others only: the fourth is reached over both, and over three when a wire is cut. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";

const FILE = "test/netns/ring.test.ts";
const ready = able(FILE, "root", "tun", "netns", "addon", "command:ip", "command:ping");

interface Peer {
  readonly name: string;
  readonly state: string;
  readonly via: string | null;
}

describe.skipIf(!ready)("a ring of four gateways", () => {
  const net = new TestNet("a", "b", "c", "d");
  const NAMES = ["a", "b", "c", "d"] as const;
  const viaOf = async (from: string, to: string): Promise<string | null | undefined> => {
    const { peers } = await net.at(from).json<{ peers: Peer[] }>("peers");
    const peer = peers.find((p) => p.name === to);
    return peer?.state === "up" ? peer.via : undefined;
  };
  const ping = async (from: string, to: string): Promise<boolean> => {
    const { address } = await net.at(to).json<{ address: string }>("status");
    const command = net.at(from).inside("ping", "-6", "-c", "1", "-W", "1", address);
    return (await Bun.spawn(command, { stdout: "ignore", stderr: "ignore" }).exited) === 0;
  };
  const reaches = (from: string, to: string): Promise<true> =>
    until(`${from} to reach ${to}`, async () => ((await ping(from, to)) ? true : undefined));
  const isVia = (via: string | null) => async () =>
    ((await viaOf("a", "b")) === via ? true : undefined) as true | undefined;

  beforeAll(async () => {
    await net.buildWires(["a", "b"], ["b", "c"], ["c", "d"], ["d", "a"], ["a", "c"]);
    await net.at("a").json("init", "--name", "a");
    await net.at("a").start();
    for (const name of ["b", "c", "d"]) {
      const { token } = await net.at("a").json<{ token: string }>("invite");
      await net.at(name).json("join", token, "--name", name);
      await net.at(name).start();
    }
    await net.cut(5); // it was there for joining
  });
  afterAll(() => net.remove());

  test("everybody reaches everybody", async () => {
    for (const from of NAMES) for (const to of NAMES) if (from !== to) await reaches(from, to);
    const around = async (): Promise<true | undefined> =>
      ["b", "d"].includes(`${await viaOf("a", "c")}`) ? true : undefined;
    await until("the way over a neighbour", around);
    await until("the direct way to a neighbour", isVia(null)); // not for a moment after a wire was late with its answers
  });

  test("over two relays where a wire is cut, and directly when it is mended", async () => {
    await net.cut(1);
    await reaches("a", "b");
    await until("the way around", isVia("d"));
    const answer = async (): Promise<string | undefined> => {
      const { stdout, code } = await net.at("a").trellis("ping", "b", "-c", "1", "--path");
      return code === 0 && stdout.includes(", over ") ? stdout : undefined; // the other end may take a while to turn
    };
    expect(await until("an answer over others", answer)).toMatch(/^b: [\d.]+ ms, over d > c, MTU \d+, handshake /);
    await reaches("b", "a");
    await net.mend(1);
    await until("the direct way", isVia(null));
    await reaches("a", "b");
  });
});
