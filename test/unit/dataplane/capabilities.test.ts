import { describe, expect, test } from "bun:test";
import { capabilities, type Facts, missingRequired } from "../../../runtime/dataplane/capabilities.ts";
import type { HostFacts } from "../../../runtime/dataplane/host-facts.ts";

const HOST: HostFacts = {
  capNetAdmin: true,
  capNetRaw: true,
  capSysAdmin: true,
  capBpf: true,
  tunOpen: "",
  tunCreate: "",
  tunOffload: "",
  tunUso: "",
  udpSegment: "",
  udpGro: "",
  bpf: "",
  libcrypto: "OpenSSL 3.0.19",
  libbpf: "v1.1",
  ipsecMbLacks: "",
  cpu: ["aes", "vaes"],
};

/** A machine with everything, under systemd, with its root key elsewhere. */
const FULL: Facts = {
  addonReason: "",
  host: HOST,
  tunDevice: true,
  offers: [
    { aead: "aes-256-gcm", library: "libipsec-mb 1.3.0", rate: 3200.4 },
    { aead: "aes-256-gcm", library: "libcrypto 3.0.19", rate: 1900 },
    { aead: "chacha20-poly1305", library: "libcrypto 3.0.19", rate: 900 },
  ],
  ingress: { built: true, refusal: "" },
  steering: { built: true, refusal: "" },
  relay: { built: true, refusal: "" },
  mesh: { built: true, refusal: "" },
  left: [],
  provider: { name: "native", fast: true },
  serviceManager: true,
  resolver: { resolved: true, asked: true },
  rootKey: "absent",
  clock: { unix: 2000, floor: 1000 },
};

const withHost = (change: Partial<HostFacts>): Facts => ({ ...FULL, host: { ...HOST, ...change } });
const missing = (facts: Facts): string[] =>
  capabilities(facts)
    .filter((row) => !row.found)
    .map((row) => row.id);

describe("the capability table", () => {
  test("finds everything on a machine that has everything", () => {
    expect(missing(FULL)).toEqual([]);
  });

  test("gives each row an id of its own, a detail, a consequence and a way to get it", () => {
    const rows = capabilities(FULL);
    expect(new Set(rows.map((row) => row.id)).size).toBe(rows.length);
    for (const row of rows) {
      for (const text of [row.detail, row.consequence, row.fix]) expect(text).not.toBe("");
    }
  });

  const UNBUILT = { built: false, refusal: "" };
  const WITHOUT_ADDON: Facts = { ...FULL, addonReason: "no such file", host: undefined, offers: [] };
  test.each<[string, Facts, string[]]>([
    ["no systemd-resolved", { ...FULL, resolver: { resolved: false, asked: false } }, ["name-resolution"]],
    [
      "a systemd-resolved that nobody asks",
      { ...FULL, resolver: { resolved: true, asked: false } },
      ["name-resolution"],
    ],
    ["an old kernel without USO", withHost({ tunUso: "EINVAL" }), ["tun-uso"]],
    [
      "a kernel without UDP offloads",
      withHost({ udpSegment: "ENOPROTOOPT", udpGro: "ENOPROTOOPT" }),
      ["udp-segment", "udp-gro"],
    ],
    [
      "no right to load BPF",
      {
        ...withHost({ bpf: "EPERM" }),
        ingress: { built: true, refusal: "EPERM" },
        steering: { built: true, refusal: "EPERM" },
        relay: { built: true, refusal: "EPERM" },
        mesh: { built: true, refusal: "EPERM" },
      },
      ["bpf", "ingress-filter", "sparse-flows", "kernel-relay", "mesh-filter"],
    ],
    ["no libbpf", withHost({ libbpf: "" }), ["libbpf"]],
    [
      "no clang when it was built",
      { ...FULL, ingress: UNBUILT, relay: UNBUILT, mesh: UNBUILT },
      ["ingress-filter", "kernel-relay", "mesh-filter"],
    ],
    ["an AEAD that cannot be run", { ...FULL, offers: [] }, ["aead"]],
    ["no libipsec-mb", withHost({ ipsecMbLacks: "not installed" }), ["libipsec-mb"]],
    ["the portable crypto provider", { ...FULL, provider: { name: "noble", fast: false } }, ["crypto-provider"]],
    ["no service manager", { ...FULL, serviceManager: false }, ["systemd-notify"]],
    ["its root key in the clear", { ...FULL, rootKey: "plain" }, ["root-key"]],
    ["a clock before the build", { ...FULL, clock: { unix: 10, floor: 1000 } }, ["clock"]],
  ])("of a machine with %s names just that", (_, facts, want) => {
    expect(missing(facts)).toEqual(want);
  });

  test("takes a root key that a passphrase seals", () => {
    expect(missing({ ...FULL, rootKey: "sealed" })).toEqual([]);
  });

  test.each<[string, Facts, string[]]>([
    [
      "a plain container",
      withHost({ capNetAdmin: false, tunOpen: "ENOENT", tunCreate: "ENOENT" }),
      ["tun", "cap-net-admin"],
    ],
    ["root whose device is refused", withHost({ tunCreate: "EPERM" }), ["cap-net-admin"]],
    ["no addon", WITHOUT_ADDON, ["addon", "libcrypto", "cap-net-admin", "aead"]],
    [
      "no addon and no TUN",
      { ...WITHOUT_ADDON, tunDevice: false },
      ["addon", "libcrypto", "tun", "cap-net-admin", "aead"],
    ],
  ])("says what keeps %s from carrying traffic", (_, facts, want) => {
    expect(missingRequired(capabilities(facts)).map((row) => row.id)).toEqual(want);
  });

  test("tells why the addon is missing and how fast the ciphers are", () => {
    const detail = (facts: Facts, id: string): string => capabilities(facts).find((row) => row.id === id)?.detail ?? "";
    expect(detail(WITHOUT_ADDON, "addon")).toBe("no such file");
    expect(detail(FULL, "aead")).toBe(
      "AES-256-GCM 3200 MB/s by libipsec-mb 1.3.0 (libcrypto 3.0.19: 1900), ChaCha20-Poly1305 900 MB/s by libcrypto 3.0.19 [aes vaes]",
    );
    expect(detail(withHost({ capNetAdmin: false }), "cap-net-admin")).toContain("effective set");
  });
});
