/** Everything that reads CBOR from outside, fed with what is wrong in every way we could think of. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { equal, toHex } from "../../../runtime/base/bytes.ts";
import { decodeCbor, encodeCbor } from "../../../runtime/base/cbor.ts";
import { decodeCertificate } from "../../../runtime/identity/certificate.ts";
import { decodeChain, encodeChain, type Mesh, openMesh, verifyChain } from "../../../runtime/identity/chain.ts";
import { decodeCose } from "../../../runtime/identity/cose.ts";
import { decodeGenesis, encodeGenesis } from "../../../runtime/identity/genesis.ts";
import type { MemberIssuer } from "../../../runtime/identity/issue.ts";
import { revokeByMember, verifyRevocation } from "../../../runtime/identity/revocation.ts";
import type { RootKey } from "../../../runtime/identity/root.ts";
import { Roster } from "../../../runtime/identity/roster.ts";
import { decodeState, encodeState, ROSTER_FILE } from "../../../runtime/identity/state.ts";
import { TIMELESS } from "../../../runtime/identity/trust.ts";
import { decodeStreamMessage, encodeStreamMessage } from "../../../runtime/mesh/gossip/message.ts";
import { decodeMessage, encodeMessage } from "../../../runtime/mesh/session/message.ts";
import { InviteBook } from "../../../runtime/provisioning/invite-book.ts";
import { cutsOf, liesOf, mutationsOf, NASTY } from "../../help/nasty.ts";
import { createMesh, crypto, memberBy, memberByRoot, random } from "./world.ts";

let mesh: Mesh;
let roots: RootKey[];
let a: MemberIssuer;
let b: MemberIssuer;
let record: Uint8Array;
let book: Uint8Array;
beforeAll(async () => {
  ({ mesh, roots } = await createMesh(2, 1));
  a = await memberByRoot(mesh, [roots[0] as RootKey]);
  b = await memberBy(mesh, a, { roles: ["gateway"], subnets: ["10.1.0.0/16"], expires: 5000 });
  record = await revokeByMember(crypto, mesh, a, {
    target: b.keys.id,
    scope: "issuer",
    lastSerial: 7,
    reason: "lost",
  });
  const invites = new InviteBook();
  invites.create(random, 1_000_000, { uses: 3, name: "b", roles: ["gateway"] });
  book = invites.encode();
});

interface Parser {
  /** A right encoding. */
  right(): Uint8Array;
  /** Undefined or a refusal when it is refused; else an encoding of what was read. */
  read(data: Uint8Array): Promise<Uint8Array | undefined> | Uint8Array | undefined;
}

const corrupt = (read: () => Uint8Array): Uint8Array | undefined => {
  try {
    return read();
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "state/corrupt" }); // the one error that state files have for people
    return undefined;
  }
};

const PARSERS: Readonly<Record<string, Parser>> = {
  "any CBOR": {
    right: () => b.chain.leaf.payload,
    read: (data) => {
      const value = decodeCbor(data);
      return value === undefined ? undefined : encodeCbor(value);
    },
  },
  "a genesis": {
    right: () => mesh.encoded,
    read: (data) => {
      const genesis = decodeGenesis(data);
      openMesh(crypto, data);
      return genesis && encodeGenesis(genesis);
    },
  },
  "a COSE_Sign document": {
    right: () => b.chain.leaf.encoded,
    read: (data) => decodeCose(data, 5) && data, // has no encoder of its own but the signer
  },
  "a certificate": {
    right: () => b.chain.leaf.encoded,
    read: (data) => decodeCertificate(crypto, data)?.encoded,
  },
  "a chain": {
    right: () => b.chain.encoded,
    read: (data) => {
      const chain = decodeChain(crypto, data);
      return chain && encodeChain(chain.map((c) => c.encoded));
    },
  },
  "a verified chain": {
    right: () => b.chain.encoded,
    read: async (data) => {
      const result = await verifyChain(crypto, mesh, data, TIMELESS);
      return "refused" in result ? undefined : b.chain.encoded; // nothing else was ever signed
    },
  },
  "a revocation": {
    right: () => record,
    read: async (data) => {
      const result = await verifyRevocation(crypto, mesh, data, TIMELESS);
      return "refused" in result ? undefined : record;
    },
  },
  "a roster": {
    right: () => b.chain.encoded,
    read: async (data) => {
      const roster = new Roster(crypto, mesh);
      await roster.applyRevocation(data);
      return (await roster.identify(data)) && (await roster.admit(data, true))?.chain;
    },
  },
  "a control message": {
    right: () => encodeMessage({ kind: "digest", digest: crypto.sha256() }),
    read: (data) => {
      const message = decodeMessage(data);
      return message && encodeMessage(message);
    },
  },
  "a stream message": {
    right: () => encodeStreamMessage({ kind: "member", data: new Uint8Array(40), endpoint: "192.0.2.1:7" }),
    read: (data) => {
      const message = decodeStreamMessage(data);
      return message && encodeStreamMessage(message);
    },
  },
  "a state file": {
    right: () =>
      encodeState(crypto, ROSTER_FILE, [{ chain: Uint8Array.of(1, 2), endpoint: { address: "::1", port: 1 } }]),
    read: (data) => corrupt(() => encodeState(crypto, ROSTER_FILE, decodeState(crypto, ROSTER_FILE, data))),
  },
  "a book of invites": {
    right: () => book,
    read: (data) => corrupt(() => InviteBook.decode(data).encode()),
  },
};

describe.each(Object.entries(PARSERS))("%s", (_, { right, read }) => {
  const check = async (data: Uint8Array): Promise<void> => {
    const back = await read(data);
    if (back && !equal(back, data)) expect(toHex(back)).toBe(toHex(data));
  };

  test("comes back from its right encoding", async () => {
    expect(toHex((await read(right())) as Uint8Array)).toBe(toHex(right()));
  });

  test.each(NASTY)("takes %s for nothing else, and does not throw", async (_name, data) => {
    await check(data);
  });

  test("refuses or reads as it stands whatever lie one of its heads tells", async () => {
    let lies = 0;
    for (const lie of liesOf(right())) {
      lies++;
      await check(lie);
    }
    expect(lies).toBeGreaterThan(80);
  });

  test("refuses what is cut off or continued", async () => {
    for (const cut of cutsOf(right())) expect(await read(cut)).toBeUndefined();
  });

  test("refuses or reads as it stands whatever bytes come, and never throws", async () => {
    await fc.assert(fc.asyncProperty(mutationsOf(right()), check), { numRuns: 150 });
  });
});
