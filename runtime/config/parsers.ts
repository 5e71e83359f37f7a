/** How a setting's value is read: from text (command line, environment), or from a file's text, number or boolean. */
import { formatPrefix, parsePrefix } from "../base/ip.ts";

export type Given = string | number | boolean;

export interface Parser<T> {
  /** What it takes, for people: stands after "expected". */
  readonly expects: string;
  /** Stands for the value in help; empty for a flag. */
  readonly sign: string;
  /** Where help can say it in a few words. */
  readonly range?: string;
  /** All that it takes, where that is a few words. */
  readonly words?: readonly string[];
  /** Undefined for anything else. */
  readonly parse: (given: Given) => { readonly value: T } | undefined;
}

export const integer = (min: number, max: number): Parser<number> => ({
  expects: `a whole number from ${min} to ${max}`,
  sign: "N",
  range: `${min} to ${max}`,
  parse(given) {
    const value = typeof given === "string" && /^\d+$/.test(given) ? Number(given) : given;
    return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max ? { value } : undefined;
  },
});

export const oneOf = <const T extends string>(...words: readonly T[]): Parser<T> => ({
  expects: `one of ${words.join(", ")}`,
  sign: "WORD",
  range: words.join(", "),
  words,
  parse(given) {
    const value = words.find((word) => word === given);
    return value === undefined ? undefined : { value };
  },
});

export const flag: Parser<boolean> = {
  expects: "true or false",
  sign: "",
  parse: (given) => {
    if (given === true || given === "true" || given === "1") return { value: true };
    return given === false || given === "false" || given === "0" ? { value: false } : undefined;
  },
};

export const path: Parser<string> = {
  expects: "a path",
  sign: "PATH",
  parse: (given) => (typeof given === "string" && given !== "" && !given.includes("\0") ? { value: given } : undefined),
};

/** A name that the kernel takes for a network device (dev_valid_name). */
const isDeviceName = (text: string): boolean => /^[^\s/:]{1,15}$/.test(text) && text !== "." && text !== "..";

export const interfaceName: Parser<string> = {
  expects: "the name of a network interface, at most 15 characters",
  sign: "NAME",
  parse: (given) => (typeof given === "string" && isDeviceName(given) ? { value: given } : undefined),
};

/** `none`, or `false` in a file, stands for no device. */
export const deviceName: Parser<string | undefined> = {
  expects: "a device name of at most 15 characters, or none",
  sign: "NAME",
  parse(given) {
    if (given === "none" || given === false) return { value: undefined };
    return interfaceName.parse(given);
  },
};

export const text: Parser<string> = {
  expects: "text",
  sign: "TEXT",
  parse: (given) => (typeof given === "string" ? { value: given } : undefined),
};

/** A line for people: printable, at most `max` characters. */
export const remark = (max: number): Parser<string> => ({
  expects: `text without control characters, at most ${max} long`,
  sign: "TEXT",
  parse: (given) =>
    typeof given === "string" && given.length <= max && !/\p{C}/u.test(given) ? { value: given } : undefined,
});

/** Values between commas. */
export const list = <T>(item: Parser<T>): Parser<readonly T[]> => ({
  expects: `${item.expects}; several with commas between`,
  sign: item.sign,
  parse(given) {
    const parts = String(given)
      .split(",")
      .map((part) => item.parse(part));
    return parts.every((part) => part !== undefined) ? { value: parts.map((part) => part.value) } : undefined;
  },
});

/** As it was meant: the text that everybody writes for it. */
const subnet: Parser<string> = {
  expects: "a subnet such as 10.1.0.0/16 or 2001:db8:1::/48, with no bit set behind its length",
  sign: "SUBNET",
  parse(given) {
    const prefix = typeof given === "string" ? parsePrefix(given) : undefined;
    return prefix && { value: formatPrefix(prefix) };
  },
};

/** Subnets between commas, or `none`. */
export const subnets = (most: number): Parser<readonly string[]> => ({
  expects: `${list(subnet).expects}, at most ${most}; or none`,
  sign: "SUBNETS",
  parse(given) {
    if (given === "none" || given === "" || given === false) return { value: [] };
    const parsed = list(subnet).parse(given);
    return parsed && parsed.value.length <= most ? parsed : undefined;
  },
});

const namesOf = list(interfaceName);

/** Interfaces, or `none` or nothing for none of them. */
export const interfaceNames: Parser<readonly string[]> = {
  expects: `${namesOf.expects}; or none`,
  sign: "NAME",
  parse: (given) => (given === "none" || given === "" ? { value: [] } : namesOf.parse(given)),
};

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds. */
export const duration: Parser<number> = {
  expects: "a duration such as 90s, 30m, 24h or 7d",
  sign: "TIME",
  range: "90s, 30m, 24h, 7d",
  parse(given) {
    const match = typeof given === "string" ? /^(\d{1,9})([smhd])$/.exec(given) : null;
    return match ? { value: Number(match[1]) * (SECONDS[match[2] as string] as number) } : undefined;
  },
};
