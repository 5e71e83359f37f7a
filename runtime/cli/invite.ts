import { renderUnicodeCompact } from "uqr";
import { call } from "../api/client.io.ts";
import { parseEndpoint } from "../base/endpoint.ts";
import { duration, flag, integer, list as listOf, type Parser, subnets, text } from "../config/parsers.ts";
import { SUBNETS_MAX } from "../identity/certificate.ts";
import { DEFAULT_LIFETIME } from "../provisioning/invite-book.ts";
import { USES_MAX } from "../provisioning/token.ts";
import { command, type Globals, NONE, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { memberName } from "./names.ts";
import { moment, table } from "./show.ts";

const endpointText: Parser<string> = {
  expects: "an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820",
  sign: "ADDRESS:PORT",
  parse: (given) => (typeof given === "string" && parseEndpoint(given) ? { value: given } : undefined),
};

interface Shown {
  readonly inviteId: string;
  readonly expires: number;
  readonly uses: number;
  readonly used: number;
  readonly subnets: readonly string[];
  readonly state: string;
}

export const invite = command({
  name: "invite",
  doc: "let another gateway in: a token, as text and as a QR code",
  positionals: NONE,
  options: {
    uses: option({
      key: "uses",
      fallback: 1,
      unit: "",
      doc: "how many gateways it admits",
      parse: integer(1, USES_MAX),
    }),
    expires: option({
      key: "expires",
      fallback: DEFAULT_LIFETIME,
      shown: "24h",
      unit: "",
      doc: "how long it is good for",
      parse: duration,
    }),
    name: option<string | undefined>({
      key: "name",
      fallback: undefined,
      shown: "any",
      unit: "",
      doc: "the only name it admits",
      parse: memberName,
    }),
    endpoint: option<readonly string[]>({
      key: "endpoint",
      many: true,
      fallback: [],
      shown: "this machine's addresses",
      unit: "",
      doc: "where joiners reach this gateway, at most four",
      parse: listOf(endpointText),
    }),
    subnets: option<readonly string[]>({
      key: "subnets",
      many: true,
      fallback: [],
      shown: "none",
      unit: "",
      doc: "what those that it admits may announce with `trellis run --announce`",
      parse: subnets(SUBNETS_MAX),
    }),
    list: option({ key: "list", fallback: false, unit: "", doc: "list the invites of this gateway", parse: flag }),
    revoke: option<string | undefined>({
      key: "revoke",
      fallback: undefined,
      shown: "none",
      unit: "",
      doc: "revoke an invite by its id",
      parse: text,
    }),
  },
  examples: [
    ["trellis invite --uses 10 --expires 7d", "one token for ten gateways, a week"],
    ["trellis invite --endpoint 203.0.113.5:51820", "behind a port forwarding: its outer address"],
    ["trellis invite --subnets 10.7.0.0/24", "for a gateway with a network of its own behind it"],
    ["trellis invite --list", "which invites are open, and whom they admitted"],
  ],
  async run(args) {
    if (args.list) return await list(args);
    if (args.revoke !== undefined) {
      const done = await call<{ revoked: string }>(socketOf(args), "revoke-invite", { id: args.revoke });
      return print(args, done, () => [`invite ${done.revoked} is revoked`]);
    }
    const params = {
      uses: args.uses,
      lifetime: args.expires,
      ...(args.name === undefined ? {} : { name: args.name }),
      endpoints: args.endpoint,
      subnets: args.subnets,
    };
    const made = await call<Shown & { token: string; endpoints: readonly string[] }>(socketOf(args), "invite", params);
    print(args, made, () => [
      renderUnicodeCompact(made.token, { border: 2 }),
      `admits ${made.uses === 1 ? "one gateway" : `${made.uses} gateways`} until ${moment(made.expires)}`,
      ...(made.subnets.length === 0 ? [] : [`it may announce ${made.subnets.join(", ")}`]),
      `reaches this gateway at ${made.endpoints.join(", ")}`,
      "scan it, or on the other gateway:",
      "",
      `trellis join '${made.token}' --name NAME`,
    ]);
  },
});

async function list(args: Globals): Promise<void> {
  const { invites } = await call<{ invites: readonly Shown[] }>(socketOf(args), "invites");
  print(args, { invites }, () =>
    table(
      ["invite", "state", "used", "expires"],
      invites.map((i) => [i.inviteId, i.state, `${i.used}/${i.uses}`, moment(i.expires)]),
    ),
  );
}
