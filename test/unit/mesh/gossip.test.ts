import { describe, expect, test } from "bun:test";
import { native } from "../../../runtime/crypto/native.ts";
import { Gossip, GossipPeer } from "../../../runtime/mesh/gossip/gossip.ts";
import type { StreamMessage } from "../../../runtime/mesh/gossip/message.ts";
import type { MeshDirectory, RosterMember } from "../../../runtime/mesh/ports.ts";

/** A directory of whatever chains it is given; gossip looks at nothing else. */
class Directory {
  revision = 0;
  readonly chains: Uint8Array[] = [];
  readonly records: Uint8Array[] = [];

  add(...numbers: readonly number[]): this {
    for (const n of numbers) this.chains.push(new Uint8Array(40).fill(n));
    this.revision++;
    return this;
  }
  list(): readonly RosterMember[] {
    return this.chains.map((chain) => ({ chain, id: chain.slice(0, 32) }) as unknown as RosterMember);
  }
  revocationRecords(): readonly Uint8Array[] {
    return this.records;
  }
}

const gossipOf = (directory: Directory): Gossip => new Gossip(native, directory as unknown as MeshDirectory);
const kinds = (messages: readonly StreamMessage[]): string[] => messages.map((m) => m.kind);

describe("gossip", () => {
  test("has one digest for one knowledge, whatever order it came in", () => {
    expect(gossipOf(new Directory().add(1, 2, 3)).digest).toEqual(gossipOf(new Directory().add(3, 1, 2)).digest);
    expect(gossipOf(new Directory().add(1, 2)).digest).not.toEqual(gossipOf(new Directory().add(1, 3)).digest);
  });

  test("two that differ are equal after one list, one offer, and what each asked for", () => {
    const mine = new Directory().add(1, 2, 3);
    const theirs = new Directory().add(3, 4);
    const a = gossipOf(mine);
    const b = gossipOf(theirs);
    const list = a.list(new GossipPeer(), b.digest, 0) as StreamMessage;
    const answers = b.compare(new GossipPeer(), list, 0);
    expect(kinds(answers)).toEqual(["want", "offer"]);
    const fromA = a.wanted(answers[0] as StreamMessage).map((i) => i.data[0] as number);
    const wantOfA = a.compare(new GossipPeer(), answers[1] as StreamMessage, 0);
    expect(kinds(wantOfA)).toEqual(["want"]);
    const fromB = b.wanted(wantOfA[0] as StreamMessage).map((i) => i.data[0] as number);
    expect([fromA.sort(), fromB]).toEqual([[1, 2], [4]]);
    mine.add(...fromB);
    theirs.add(...fromA);
    expect(a.refresh().map((i) => i.data[0])).toEqual([4]);
    b.refresh();
    expect(a.digest).toEqual(b.digest);
    expect(a.list(new GossipPeer(), b.digest, 0)).toBeUndefined();
  });

  test("lists itself to one neighbour at most once a second", () => {
    const a = gossipOf(new Directory().add(1));
    const peer = new GossipPeer();
    expect(a.list(peer, new Uint8Array(32), 0)).toBeDefined();
    expect(a.list(peer, new Uint8Array(32), 999)).toBeUndefined();
    expect(a.list(peer, new Uint8Array(32), 1000)).toBeDefined();
  });

  test("asks one neighbour at a time for a thing, and another when it did not come", () => {
    const a = gossipOf(new Directory());
    const hashes = [new Uint8Array(16).fill(9)];
    expect(kinds(a.compare(new GossipPeer(), { kind: "offer", hashes }, 0))).toEqual(["want"]);
    expect(a.compare(new GossipPeer(), { kind: "offer", hashes }, 2999)).toEqual([]);
    expect(kinds(a.compare(new GossipPeer(), { kind: "offer", hashes }, 3000))).toEqual(["want"]);
  });

  test("expects exactly what it asked for, once", () => {
    const data = new Uint8Array(40).fill(5);
    const a = gossipOf(new Directory());
    const [want] = a.compare(new GossipPeer(), { kind: "offer", hashes: [native.sha256(data).slice(0, 16)] }, 0);
    expect(want?.hashes).toHaveLength(1);
    expect(a.expects(new Uint8Array(40))).toBe(false);
    expect(a.expects(data)).toBe(true);
    expect(a.expects(data)).toBe(false);
  });

  test("asks a neighbour for nothing for a minute when sixteen of its things did not verify", () => {
    const a = gossipOf(new Directory());
    const peer = new GossipPeer();
    const offer = { kind: "offer", hashes: [new Uint8Array(16)] } as const;
    for (let i = 0; i < 15; i++) peer.muting.spoil(0);
    expect(peer.muting.isMuted(0)).toBe(false);
    peer.muting.spoil(0);
    expect(a.compare(peer, offer, 59_999)).toEqual([]);
    expect(kinds(a.compare(peer, offer, 60_000))).toEqual(["want"]);
  });
});
