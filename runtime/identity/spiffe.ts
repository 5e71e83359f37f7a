/** SPIFFE ids of members: `spiffe://<mesh name>/gateway/<name>` (SPIFFE-ID §2). */
import { isName } from "./names.ts";

const ID = /^spiffe:\/\/([^/]+)\/gateway\/([^/]+)$/;

export interface SpiffeId {
  readonly mesh: string;
  readonly name: string;
}

export const spiffeId = (id: SpiffeId): string => `spiffe://${id.mesh}/gateway/${id.name}`;

/** Undefined for anything that is not the id of a gateway. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  const [, mesh, name] = ID.exec(text) ?? [];
  return mesh !== undefined && name !== undefined && isName(mesh) && isName(name) ? { mesh, name } : undefined;
}
