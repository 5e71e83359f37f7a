/** Debian's own kernel in a virtual machine without acceleration, with `bpftool` and nothing else: what loads there and what does not. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { must, run } from "./shell.ts";

const CACHE = join(import.meta.dir, "../../build/kernels");
const META = "linux-image-cloud-amd64";

/** The kernel's image: fetched from the Debian mirror once, unpacked and not installed. Throws where that cannot be. */
export async function debianKernel(): Promise<string> {
  const depends = await must(["apt-cache", "depends", META]);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (!name) throw new Error(`apt knows no ${META}`);
  const folder = join(CACHE, name);
  if (!existsSync(folder)) {
    mkdirSync(CACHE, { recursive: true });
    const fetched = mkdtempSync(join(CACHE, "fetched-"));
    try {
      await must([
        "sh",
        "-c",
        `cd "${fetched}" && apt-get download -q ${name} && dpkg -x *.deb . && mv boot "${folder}"`,
      ]);
    } finally {
      rmSync(fetched, { recursive: true, force: true });
    }
  }
  const image = readdirSync(folder).find((each) => each.startsWith("vmlinuz"));
  if (!image) throw new Error(`${name} has no kernel in it`);
  return join(folder, image);
}

const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev; mount -t bpf none /sys/fs/bpf
echo 2 >/proc/sys/kernel/printk
echo "KERNEL $(uname -r)"
for object in /objects/*; do
  if bpftool prog loadall $object /sys/fs/bpf/loaded >/log 2>&1; then echo "LOADED $(basename $object)"; else tail -n 20 /log; fi
  rm -rf /sys/fs/bpf/loaded
done
echo END
poweroff -f
`;

/** With the libraries that it is linked to, where it looks for them. */
async function copyProgram(name: string, root: string): Promise<void> {
  const program = Bun.which(name) as string;
  const { stdout } = await run(["ldd", program]); // fails for one that needs none
  for (const [, file] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    mkdirSync(join(root, dirname(file as string)), { recursive: true });
    cpSync(file as string, join(root, file as string), { dereference: true });
  }
  cpSync(program, join(root, "bin", name), { dereference: true });
}

/** Boots `kernel`, loads each of the BPF objects in there by itself, and gives what the machine printed. */
export async function loadThere(kernel: string, objects: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "trellis-kernel-"));
  try {
    const root = join(folder, "root");
    for (const each of ["bin", "proc", "sys", "dev", "objects"]) mkdirSync(join(root, each), { recursive: true });
    for (const program of ["busybox", "bpftool"]) await copyProgram(program, root);
    for (const object of objects) cpSync(object, join(root, "objects", object.split("/").at(-1) as string));
    writeFileSync(join(root, "init"), INIT, { mode: 0o755 });
    const initrd = join(folder, "initrd");
    await must(["sh", "-c", `cd "${root}" && find . | busybox cpio -o -H newc >"${initrd}"`]);
    const machine = ["-machine", "q35", "-accel", "tcg", "-cpu", "Nehalem", "-m", "1024", "-nographic", "-no-reboot"];
    const boot = ["-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=-1 quiet"];
    return (await run(["qemu-system-x86_64", ...machine, "-nic", "none", ...boot])).stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
