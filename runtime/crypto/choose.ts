/** Which provider a gateway runs with, and why; `doctor` and the log show it. */
import { TrellisError } from "../base/errors.ts";
import { native } from "./native.ts";
import { noble } from "./noble.ts";
import type { CryptoProvider, ProviderName } from "./provider.ts";
import { selfTest } from "./self-test.ts";

export interface CryptoChoice {
  readonly provider: CryptoProvider;
  readonly asked: ProviderName;
  /** Why it is not the one that was asked for; undefined when it is. To be shown, never dropped. */
  readonly reason: string | undefined;
}

const PROVIDERS: Readonly<Record<ProviderName, CryptoProvider>> = { native, noble };

/**
 * The provider `asked` for when its self-test passes. When `native` fails, `noble` with the reason: slower, with the same
 * results, so security does not degrade. When `noble` fails too, throws `crypto/self-test`.
 */
export async function chooseProvider(asked: ProviderName = "native", providers = PROVIDERS): Promise<CryptoChoice> {
  const reason = await whyNot(providers[asked]);
  if (reason === undefined) return { provider: providers[asked], asked, reason };
  const reasonToo = asked === "noble" ? reason : await whyNot(providers.noble);
  if (reasonToo === undefined) return { provider: providers.noble, asked, reason };
  throw new TrellisError("crypto/self-test", reasonToo, { hint: "is this the pinned version of Bun and of @noble/*?" });
}

async function whyNot(provider: CryptoProvider): Promise<string | undefined> {
  const failures = await selfTest(provider);
  if (failures.length === 0) return undefined;
  return `${provider.name}: ${failures.map((f) => `${f.primitive}: ${f.reason}`).join("; ")}`;
}
