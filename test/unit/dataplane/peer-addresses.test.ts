import { expect, test } from "bun:test";
import fc from "fast-check";
import { PeerAddresses } from "../../../runtime/dataplane/peer-addresses.ts";

test("an address is there while any peer has it", () => {
  const peers = fc.constantFrom("p", "q", "r");
  const addresses = fc.option(fc.constantFrom("192.0.2.1", "192.0.2.2", "2001:db8::1"), { nil: undefined });
  fc.assert(
    fc.property(fc.array(fc.tuple(peers, addresses)), (moves) => {
      const tracked = new PeerAddresses();
      const where = new Map<string, string | undefined>();
      const told = new Set<string>();
      for (const [peer, address] of moves) {
        const { come, gone } = tracked.place(peer, address);
        where.set(peer, address);
        if (come !== undefined) {
          expect(told.has(come)).toBe(false);
          told.add(come);
        }
        if (gone !== undefined) expect(told.delete(gone)).toBe(true);
        expect([...told].sort()).toEqual([...new Set([...where.values()].filter((a) => a !== undefined))].sort());
      }
    }),
  );
});
