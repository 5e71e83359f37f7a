/** How a link in the kernel says whose it is: its alias is `trellis:<overlay address>:<pid>`, which `ip link` shows. */
const MARK = "trellis:";

export const aliasOf = (address: string, pid: number): string => `${MARK}${address}:${pid}`;

/** What every alias of this node's links starts with, whichever process made them. */
export const aliasPrefixOf = (address: string): string => `${MARK}${address}:`;

/** The process that made the link; undefined when the alias is none of ours. */
export function ownerOf(alias: string): number | undefined {
  const match = /^trellis:[0-9a-fA-F:.]+:(\d{1,10})$/.exec(alias);
  return match ? Number(match[1]) : undefined;
}

/** The links that a daemon of this node left behind when it was killed: their maker is gone. */
export function abandoned<L extends { readonly alias: string }>(
  links: readonly L[],
  isAlive: (pid: number) => boolean,
): L[] {
  return links.filter((link) => {
    const owner = ownerOf(link.alias);
    return owner !== undefined && !isAlive(owner);
  });
}
