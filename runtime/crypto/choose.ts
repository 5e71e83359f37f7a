/** Which provider a gateway runs with, and why; `doctor` and the log show it. */
import { TrellisError } from "../base/errors.ts";
import { native } from "./native.ts";
import type { CryptoProvider, ProviderName } from "./provider.ts";
import { selfTest } from "./self-test.ts";

export interface CryptoChoice {
  readonly provider: CryptoProvider;
  readonly asked: ProviderName;
  /** Why it is not the one that was asked for; undefined when it is. To be shown, never dropped. */
  readonly reason: string | undefined;
}

type Providers = Readonly<Record<ProviderName, () => Promise<CryptoProvider>>>;

/** The slow one is read when it is needed: every command would wait for it. */
const PROVIDERS: Providers = {
  native: async () => native,
  noble: async () => (await import("./noble.ts")).noble,
};

/**
 * The provider `asked` for when its self-test passes. When `native` fails, `noble` with the reason: slower, with the same
 * results, so security does not degrade. When `noble` fails too, throws `crypto/self-test`.
 */
export async function chooseProvider(asked: ProviderName = "native", providers = PROVIDERS): Promise<CryptoChoice> {
  const first = await providers[asked]();
  const reason = await whyNot(first);
  if (reason === undefined) return { provider: first, asked, reason };
  const second = await providers.noble();
  const reasonToo = asked === "noble" ? reason : await whyNot(second);
  if (reasonToo === undefined) return { provider: second, asked, reason };
  throw new TrellisError("crypto/self-test", reasonToo, { hint: "is this the pinned version of Bun and of @noble/*?" });
}

async function whyNot(provider: CryptoProvider): Promise<string | undefined> {
  const failures = await selfTest(provider);
  if (failures.length === 0) return undefined;
  return `${provider.name}: ${failures.map((f) => `${f.primitive}: ${f.reason}`).join("; ")}`;
}
