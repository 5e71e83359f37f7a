import { call } from "../api/client.io.ts";
import { flag } from "../config/parsers.ts";
import { command, NONE, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { facts, table } from "./show.ts";

interface Names {
  readonly domain: string;
  /** Overlay address of the resolver. */
  readonly server: string | null;
  readonly reason: string | null;
  readonly system: string | null;
  readonly systemReason: string | null;
  /** Whether programs that ask the system ask systemd-resolved. */
  readonly asked: boolean;
  readonly reverse: string;
  readonly names: readonly { readonly name: string; readonly address: string }[];
}

export const names = command({
  name: "names",
  doc: "the names of the mesh, and who answers for them",
  positionals: NONE,
  options: {
    hosts: option({ key: "hosts", fallback: false, unit: "", doc: "lines for /etc/hosts", parse: flag }),
    setup: option({
      key: "setup",
      fallback: false,
      unit: "",
      doc: "what to write where systemd-resolved does not run; nothing is written by itself",
      parse: flag,
    }),
  },
  examples: [
    ["trellis names", "every name with its address"],
    ["trellis names --setup", "lines for resolv.conf, dnsmasq, unbound or the hosts file"],
    ["trellis names --hosts", "to append to /etc/hosts: who leaves later stays in the file"],
  ],
  async run(args) {
    const answer = await call<Names>(socketOf(args), "names");
    if (args.hosts) return print(args, answer, () => hosts(answer));
    print(args, answer, () => (args.setup ? setup(answer) : overview(answer)));
  },
});

const hosts = ({ names: all }: Names): string[] => all.map(({ name, address }) => `${address}\t${name}`);

const overview = (n: Names): string[] => [
  ...table(
    ["name", "address"],
    n.names.map(({ name, address }) => [name, address]),
  ),
  "",
  ...facts([
    ["answered", n.server === null ? `no: ${n.reason}` : `at ${n.server}, UDP and TCP port 53`],
    ["asked by", askedBy(n)],
  ]),
];

function askedBy({ server, system, systemReason, asked }: Names): string {
  if (server === null) return "nobody";
  if (system === null) return `nobody by itself: ${systemReason}; trellis names --setup says how`;
  return asked ? system : `${system}, which /etc/resolv.conf and nsswitch.conf do not lead to`;
}

/** For people to paste: each block is enough by itself. */
function setup(n: Names): string[] {
  if (n.server === null) return [`# nothing to set up: ${n.reason}`];
  return [
    "# One of these is enough. Nothing here has been written anywhere.",
    "",
    "# /etc/resolv.conf, before the other servers; it refuses all other names, and the next server is asked",
    `nameserver ${n.server}`,
    "",
    "# dnsmasq",
    `server=/${n.domain}/${n.server}`,
    `server=/${n.reverse}/${n.server}`,
    `rebind-domain-ok=/${n.domain}/`,
    "",
    "# unbound",
    ...[n.domain, n.reverse].flatMap((zone) => ["stub-zone:", `  name: "${zone}"`, `  stub-addr: ${n.server}`]),
    "server:",
    `  domain-insecure: "${n.domain}"`,
    `  private-domain: "${n.domain}"`,
    `  local-zone: "${n.reverse}" transparent`,
    "",
    "# /etc/hosts: names as they are now",
    ...hosts(n),
  ];
}
