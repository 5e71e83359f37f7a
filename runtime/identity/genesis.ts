/** The first root key set of a mesh. Its hash is the mesh id, so it can never change under the mesh's feet. */
import { type Cbor, encodeCbor } from "../base/cbor.ts";
import type { VerifyingKeys } from "../crypto/hybrid-signature.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { fieldsOf, parseFields } from "./map.ts";
import { MESH_NAME } from "./name.ts";

export interface Genesis {
  readonly meshName: string;
  readonly root: VerifyingKeys;
}

const FIELD = { version: 1, meshName: 2, ed25519: 3, mlDsa65: 4 } as const;

export const encodeGenesis = (g: Genesis): Uint8Array =>
  encodeCbor(
    fieldsOf(
      [FIELD.version, 1],
      [FIELD.meshName, g.meshName],
      [FIELD.ed25519, g.root.ed25519],
      [FIELD.mlDsa65, g.root.mlDsa65],
    ) as ReadonlyMap<Cbor, Cbor>,
  );

export const decodeGenesis = (data: Uint8Array): Genesis | undefined =>
  parseFields(data, (f) => {
    const version = f.integer(FIELD.version);
    const genesis: Genesis = {
      meshName: f.text(FIELD.meshName, MESH_NAME),
      root: { ed25519: f.bytes(FIELD.ed25519, 32), mlDsa65: f.bytes(FIELD.mlDsa65, 1952) },
    };
    return version === 1 ? genesis : undefined;
  });

export const meshIdOf = (crypto: CryptoProvider, genesis: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.meshId, genesis);
