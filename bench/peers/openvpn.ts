/** OpenVPN: the hub is the server, in userspace; clients reach each other through it. Defaults, certificates known by fingerprint. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../test/help/shell.ts";
import { installed } from "./debian.ts";
import type { Peer } from "./peer.ts";
import type { Leaf } from "./star.ts";

const PORT = 1194;
const address = (number: number): string => `10.97.0.${number}`;

async function certificate(folder: string, name: string): Promise<string> {
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await must(["openssl", "req", "-x509", ...kind, "-subj", `/CN=${name}`, ...files]);
  const text = await must(["openssl", "x509", "-in", join(folder, "cert.pem"), "-noout", "-fingerprint", "-sha256"]);
  return text.trim().split("=")[1] ?? "";
}

export const openvpn: Peer = {
  name: "openvpn",
  relays: "decrypts and encrypts again",
  find: () => installed("openvpn", "openvpn", "openssl"),

  async start(star, programs) {
    const prints: string[] = [];
    for (const node of star.nodes) prints.push(await certificate(node.folder, `node${node.number}`));
    const clients = join(star.hub.folder, "clients");
    mkdirSync(clients);
    const pids: number[] = [];
    for (const [i, node] of star.nodes.entries()) {
      const hub = (node as Partial<Leaf>).hub;
      const known = hub ? prints.slice(0, 1) : prints.filter((_, at) => at !== i);
      const lines = [
        "dev ovpn0\ndev-type tun\nproto udp\nkeepalive 10 60\ndisable-dco",
        `cert ${join(node.folder, "cert.pem")}\nkey ${join(node.folder, "key.pem")}`,
        `<peer-fingerprint>\n${known.join("\n")}\n</peer-fingerprint>`,
        hub
          ? `client\nremote ${hub} ${PORT}\nnobind`
          : `port ${PORT}\nserver ${address(0)} 255.255.255.0\ntopology subnet\ndh none\nclient-to-client\nclient-config-dir ${clients}`,
      ];
      if (hub)
        writeFileSync(join(clients, `node${node.number}`), `ifconfig-push ${address(node.number)} 255.255.255.0\n`);
      const file = join(node.folder, "openvpn.conf");
      writeFileSync(file, `${lines.join("\n")}\n`);
      pids.push(star.spawn(node, "openvpn", node.end.inside(programs.openvpn as string, "--config", file)));
    }
    return { address: address(star.target), pids };
  },
};
