import { describe, expect, test } from "bun:test";
import { brokerAddress, brokerAddresses } from "../../../runtime/config/broker-address.ts";
import {
  deviceName,
  duration,
  flag,
  type Given,
  integer,
  interfaceName,
  interfaceNames,
  list,
  oneOf,
  type Parser,
  path,
  remark,
  subnets,
  text,
} from "../../../runtime/config/parsers.ts";
import { topicRules } from "../../../runtime/config/topic-rules.ts";

type Case = readonly [name: string, parser: Parser<unknown>, given: Given, value: unknown];

describe("addresses of brokers", () => {
  test("have the port of their kind unless they say another", () => {
    expect(brokerAddresses.parse("mqtts://a.example, mqtt://10.1.2.3,mqtt://[fd00::1]:99")?.value).toEqual([
      "mqtts://a.example:8883",
      "mqtt://10.1.2.3:1883",
      "mqtt://[fd00::1]:99",
    ]);
    expect(brokerAddress("mqtts://[fd00::1]")).toMatchObject({ host: "fd00::1", port: 8883, tls: true });
    expect(brokerAddresses.parse("none")?.value).toEqual([]);
  });
});

describe("a value is read from", () => {
  test.each<Case>([
    ["a whole number in text", integer(0, 65_535), "4500", 4500],
    ["a whole number of a file", integer(0, 65_535), 0, 0],
    ["the limits of a range", list(integer(1, 9)), "1,9", [1, 9]],
    ["a word of a choice", oneOf("warn", "info"), "info", "info"],
    ["a flag of a file", flag, true, true],
    ["a flag in text", flag, "false", false],
    ["a flag as 1", flag, "1", true],
    ["a path", path, "/a b", "/a b"],
    ["an interface name of 15 characters", interfaceName, "abcdefghijklmno", "abcdefghijklmno"],
    ["a device", deviceName, "mesh1", "mesh1"],
    ["the word none", deviceName, "none", undefined],
    ["false for no device", deviceName, false, undefined],
    ["text, empty too", text, "", ""],
    ["90s", duration, "90s", 90],
    ["30m", duration, "30m", 1800],
    ["24h", duration, "24h", 86_400],
    ["7d", duration, "7d", 604_800],
    ["a remark", remark(5), "12 45", "12 45"],
    ["several values with commas", list(text), "a,b", ["a", "b"]],
    ["subnets", subnets(2), "10.1.0.0/24,FD01:0::/64", ["10.1.0.0/24", "fd01::/64"]],
    ["the word none for subnets", subnets(2), "none", []],
    [
      "rules of topics",
      topicRules,
      "role:sensor  publish readings/+, member subscribe alarms/#",
      ["role:sensor publish readings/+", "member subscribe alarms/#"],
    ],
    ["no rules of topics", topicRules, "", []],
    ["several interfaces", interfaceNames, "eth0,wlan0", ["eth0", "wlan0"]],
    ["no interface", interfaceNames, "none", []],
  ])("%s", (_, parser, given, value) => {
    expect(parser.parse(given)).toEqual({ value });
  });
});

describe("no value is read from", () => {
  test.each<readonly [string, Parser<unknown>, Given]>([
    ["a rule of topics without an action", topicRules, "member alarms/#"],
    ["one about nobody", topicRules, "everybody publish a"],
    ["one with a wildcard within a level", topicRules, "member publish a/b+"],
    ["one that goes on after #", topicRules, "member publish #/a"],
    ["one with a word too many", topicRules, "member publish a b"],
    ...[
      "http://a",
      "mqtts://",
      "broker.example",
      "mqtts://me:secret@a",
      "mqtt://a:0",
      "mqtt://a/topic",
      "mqtt://a,",
    ].map((t) => [`the broker "${t}"`, brokerAddresses, t] as const),
    ["a number out of its range", integer(0, 65_535), 65_536],
    ["a negative number", integer(0, 9), "-1"],
    ["a fraction", integer(0, 9), 1.5],
    ["a fraction in text", integer(0, 9), "1.5"],
    ["hexadecimal text", integer(0, 99), "0x10"],
    ["empty text for a number", integer(0, 9), ""],
    ["true for a number", integer(0, 9), true],
    ["a word that is no choice", oneOf("warn", "info"), "inf"],
    ["a flag that is neither", flag, "yes"],
    ["a number for a flag", flag, 1],
    ["an empty path", path, ""],
    ["a path with a zero byte", path, "a\0b"],
    ["an interface name of 16 characters", interfaceName, "abcdefghijklmnop"],
    ["an interface name with a slash", interfaceName, "a/b"],
    ["an interface name with a blank", interfaceName, "a b"],
    ["interfaces of which one is none", interfaceNames, "eth0,a/b"],
    ["the directory itself as a device", deviceName, "."],
    ["true for a device", deviceName, true],
    ["a number for text", text, 1],
    ["a remark that is too long", remark(5), "123456"],
    ["a remark with a control character", remark(5), "a\nb"],
    ["a subnet with a bit behind its length", subnets(16), "10.1.0.1/24"],
    ["a subnet without a length", subnets(16), "10.1.0.0"],
    ["more subnets than there may be", subnets(1), "10.1.0.0/24,10.2.0.0/24"],
    ["a list with one bad value", list(integer(1, 9)), "1,10"],
    ...["", "h", "24", "1.5h", "-1h", "24 h", "1w", "24hours", "9999999999s"].map(
      (t) => [`the duration "${t}"`, duration, t] as const,
    ),
  ])("%s", (_, parser, given) => {
    expect(parser.parse(given)).toBeUndefined();
  });
});
