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
  readonly cpu: readonly string[];
}
