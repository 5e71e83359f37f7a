/** A mesh made once for the tests: root, a first member that issues, and grants to start from. */
import { native as crypto } from "../../../runtime/crypto/native.ts";
import { type Mesh, openMesh, type VerifiedChain, verifyChain } from "../../../runtime/identity/chain.ts";
import { encodeGenesis } from "../../../runtime/identity/genesis.ts";
import { type Grant, issueByMember, issueByRoot, type MemberIssuer } from "../../../runtime/identity/issue.ts";
import { generateKeys, type NodeKeys } from "../../../runtime/identity/keys.ts";
import { createGenesis, generateRoot, type RootKey } from "../../../runtime/identity/root.ts";
import { TIMELESS } from "../../../runtime/identity/trust.ts";
import { seededRandom } from "../../help/seeded.ts";

export { crypto };

export const random = seededRandom("identity");
export const newKeys = (): Promise<NodeKeys> => generateKeys(crypto, random);

export async function createMesh(count = 1, threshold = 1): Promise<{ mesh: Mesh; roots: RootKey[] }> {
  const roots = await Promise.all(Array.from({ length: count }, () => generateRoot(crypto, random)));
  const genesis = createGenesis(
    "home",
    roots.map((r) => r.public),
    threshold,
    "trellis 0.1.0",
  );
  return { mesh: openMesh(crypto, encodeGenesis(genesis)) as Mesh, roots };
}

export async function verified(mesh: Mesh, chain: Uint8Array): Promise<VerifiedChain> {
  const result = await verifyChain(crypto, mesh, chain, TIMELESS);
  if ("refused" in result) throw new Error(result.refused);
  return result;
}

type Terms = Partial<Omit<Grant, "keys">>;

/** What the first gateway of a mesh gets. */
export const FIRST: Terms = {
  name: "a",
  serial: 1,
  roles: ["gateway", "relay"],
  capabilities: ["issue", "admin"],
  subnets: ["10.0.0.0/8"],
  issuing: { firstSerial: 2, lastSerial: 1000, nameSpace: "", depth: 1 },
};

export async function memberByRoot(mesh: Mesh, roots: RootKey[], terms: Terms = FIRST): Promise<MemberIssuer> {
  const keys = await newKeys();
  const grant = { name: "a", serial: 1, ...terms, keys: keys.public };
  return { keys, chain: await verified(mesh, await issueByRoot(crypto, mesh, roots, grant)) };
}

export async function memberBy(mesh: Mesh, issuer: MemberIssuer, terms: Terms = {}): Promise<MemberIssuer> {
  const keys = await newKeys();
  const grant = { name: "b", serial: 2, ...terms, keys: keys.public };
  return { keys, chain: await verified(mesh, await issueByMember(crypto, mesh, issuer, grant)) };
}

export const flipped = (bytes: Uint8Array, at: number, mask = 1): Uint8Array =>
  bytes.with(at, (bytes[at] as number) ^ mask);
