/** Ours, as a user starts it: init, run, invite, join, run. The relay is a gateway like the others; its kernel carries the frames. */
import type { TestGateway } from "../../test/help/netns.ts";
import { must } from "../../test/help/shell.ts";
import type { Peer } from "./peer.ts";
import type { Star } from "./star.ts";

const pidOf = async (end: TestGateway): Promise<number> => (await end.json<{ pid: number }>("status")).pid;

export const trellis: Peer = {
  name: "trellis",
  relays: "does not decrypt; in the kernel",

  async find() {
    const commit = await must(["git", "describe", "--always", "--dirty"]).catch(() => "");
    return { programs: {}, version: commit.trim() || "this tree" };
  },

  async start({ hub, leaves, b }: Star) {
    let { address } = await hub.end.json<{ address: string }>("init", "--name", "hub");
    await hub.end.start();
    for (const { end } of leaves) {
      const { token } = await hub.end.json<{ token: string }>("invite");
      const joined = await end.json<{ address: string }>("join", token, "--name", end === b ? "b" : "a");
      if (end === b) address = joined.address;
      await end.start();
    }
    const pids: number[] = [];
    for (const { end } of [hub, ...leaves]) pids.push(await pidOf(end));
    return { address, pids };
  },
};
