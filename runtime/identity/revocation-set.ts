/** Revocations that were accepted, and what they void. A record once accepted stays. */
import { toHex } from "../base/bytes.ts";
import type { Certificate } from "./certificate.ts";
import type { VerifiedRevocation } from "./revocation.ts";
import { mayRevoke, mightRevoke } from "./revocation-rights.ts";
import type { Revocations, RevocationVerdict } from "./trust.ts";

/** Bounds what one member can make others remember; the root has no bound. */
export const RECORDS_PER_REVOKER = 512;

export type AddResult = "added" | "known" | "revocation/not-allowed" | "revocation/too-many";

interface Fall {
  readonly verdict: RevocationVerdict;
  readonly by: VerifiedRevocation;
}

export class RevocationSet implements Revocations {
  readonly #byTarget = new Map<string, VerifiedRevocation[]>();
  readonly #byRevoker = new Map<string, number>();

  /** `chain`: the target's, when it is known. A target not seen yet is judged when it shows its chain. */
  add(revocation: VerifiedRevocation, chain?: readonly Certificate[]): AddResult {
    const { revoker, target } = revocation;
    if (chain ? !mayRevoke(revoker, chain) : !mightRevoke(revoker, target)) return "revocation/not-allowed";
    const records = this.#byTarget.get(toHex(target)) ?? [];
    if (records.some((r) => says(r, revocation))) return "known";
    const key = revoker ? toHex(revoker.leaf.id) : "";
    const count = this.#byRevoker.get(key) ?? 0;
    if (revoker && count >= RECORDS_PER_REVOKER) return "revocation/too-many";
    this.#byRevoker.set(key, count + 1);
    this.#byTarget.set(toHex(target), [...records, revocation]);
    return "added";
  }

  verdict(chain: readonly Certificate[]): RevocationVerdict | undefined {
    return this.#fall(chain)?.verdict;
  }

  /** The record by which a chain counts no more. */
  against(chain: readonly Certificate[]): VerifiedRevocation | undefined {
    return this.#fall(chain)?.by;
  }

  #fall(chain: readonly Certificate[]): Fall | undefined {
    for (const [i, certificate] of chain.entries()) {
      const records = this.#binding(chain.slice(i));
      const out = i === 0 ? records.find((r) => r.scope === "node") : undefined;
      if (out) return { verdict: "chain/revoked", by: out };
      const issued = chain[i - 1];
      const late = issued && records.find((r) => isAfter(issued, r));
      if (late) return { verdict: "chain/issuer-revoked", by: late };
      if (certificate.issuer === undefined) break;
    }
    return undefined;
  }

  list(): readonly VerifiedRevocation[] {
    return [...this.#byTarget.values()].flat();
  }

  /** Those about the chain's leaf whose revoker has the right. */
  #binding(chain: readonly Certificate[]): readonly VerifiedRevocation[] {
    const records = this.#byTarget.get(toHex((chain[0] as Certificate).id)) ?? [];
    return records.filter((r) => mayRevoke(r.revoker, chain));
  }
}

/** No last serial: nothing it signed is honoured. */
const isAfter = (issued: Certificate, r: VerifiedRevocation): boolean =>
  r.lastSerial === undefined || issued.serial > r.lastSerial;

const says = (a: VerifiedRevocation, b: VerifiedRevocation): boolean =>
  a.scope === b.scope &&
  a.lastSerial === b.lastSerial &&
  (a.revoker ? toHex(a.revoker.leaf.id) : "") === (b.revoker ? toHex(b.revoker.leaf.id) : "");
