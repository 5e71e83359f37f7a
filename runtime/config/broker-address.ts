/** Where a broker of others is, as a setting: `mqtts://broker.example:8883`. */
import { list, type Parser } from "./parsers.ts";

export interface BrokerAddress {
  /** With its port. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

const PORTS: Readonly<Record<string, number>> = { "mqtt:": 1883, "mqtts:": 8883 };

/** Undefined for anything else. A name and a password do not belong there: everybody on the machine sees command lines. */
export function brokerAddress(given: string): BrokerAddress | undefined {
  const url = URL.parse(given.trim());
  const usual = PORTS[url?.protocol ?? ""];
  if (!url || usual === undefined || url.username !== "" || url.password !== "") return undefined;
  const host = /^\[([0-9a-fA-F:.]+)\]$/.exec(url.hostname)?.[1] ?? url.hostname;
  if (!/^[\w.:-]{1,253}$/.test(host) || url.pathname.length > 1 || url.search !== "" || url.hash !== "")
    return undefined;
  const port = url.port === "" ? usual : Number(url.port);
  if (port === 0) return undefined;
  return { url: `${url.protocol}//${url.hostname}:${port}`, host, port, tls: url.protocol === "mqtts:" };
}

const one: Parser<string> = {
  expects: "mqtts://HOST:PORT or mqtt://HOST:PORT, without user name or path",
  sign: "URLS",
  parse(given) {
    const address = brokerAddress(String(given));
    return address && { value: address.url };
  },
};

const several = list(one);

/** Nothing, or `none`, for none. */
export const brokerAddresses: Parser<readonly string[]> = {
  ...several,
  parse: (given) => (given === "" || given === "none" ? { value: [] } : several.parse(given)),
};
