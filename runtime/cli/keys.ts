import { toHex } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import { command, NONE } from "./command.ts";
import { print, viewHome } from "./context.ts";

export const keys = command({
  name: "keys",
  doc: "this gateway's public keys",
  positionals: { show: { doc: "print them", choices: ["show"] } },
  options: NONE,
  examples: [["trellis keys show", "node id and four public keys"]],
  async run(args) {
    const own = await (await viewHome(args)).keys();
    if (!own)
      throw new TrellisError("keys/none", "there are no keys here yet", {
        hint: "`trellis init` or `trellis join` makes them",
      });
    const shown = {
      nodeId: toHex(own.id),
      ed25519: toHex(own.public.ed25519),
      mlDsa65: toHex(own.public.mlDsa65),
      x25519: toHex(own.public.x25519),
      mlKem768: toHex(own.public.mlKem768),
    };
    const short = (hex: string): string => (hex.length > 64 ? `${hex.slice(0, 48)}... (${hex.length / 2} bytes)` : hex);
    print(args, shown, () => Object.entries(shown).map(([k, v]) => `${k.padEnd(9)} ${short(v)}`));
  },
});
