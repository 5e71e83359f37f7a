import type { AeadName } from "../crypto/provider.ts";

/** One AEAD by one cipher library. */
export interface AeadOffer {
  readonly aead: AeadName;
  /** Name and version, such as `libcrypto 3.0.19`. */
  readonly library: string;
  /** MB/s sealed in packets of 1,400 bytes on one core. */
  readonly rate: number;
}

/** What the addon's probe saw. A feature is `""` when the kernel granted it, else the errno of its refusal, such as `EPERM`. */
export interface HostFacts {
  readonly capNetAdmin: boolean;
  readonly capNetRaw: boolean;
  readonly capSysAdmin: boolean;
  readonly capBpf: boolean;
  readonly tunOpen: string;
  readonly tunCreate: string;
  readonly tunOffload: string;
  readonly tunUso: string;
  readonly udpSegment: string;
  readonly udpGro: string;
  readonly bpf: string;
  readonly libcrypto: string;
  /** Empty when libbpf.so.1 is not installed. */
  readonly libbpf: string;
  /** Why libipsec-mb cannot be used; empty when it can, and on processors that it is not made for. */
  readonly ipsecMbLacks: string;
  readonly cpu: readonly string[];
}
