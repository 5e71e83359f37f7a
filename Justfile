# Trellis. `npx --yes rust-just` lists these recipes; `demo` and `test` need nothing but node and npm.
bun := "sh .ci/bun"
root := "sh .ci/as-root"

_list:
    @{{just_executable()}} --list --unsorted

# four gateways on this machine tell the story: --gateways N, --keep
[no-exit-message]
demo *ARGS: (setup "demo") native
    @{{root}} {{bun}} test/demo/demo.ts {{ARGS}}

# every test suite: --suite unit,sim  --verbose
[no-exit-message]
test *ARGS: (setup "test") native
    @{{root}} {{bun}} test/run.ts {{ARGS}}

# format, lint, types, rules, unit: what a commit needs
[no-exit-message]
check: (setup "node")
    @{{bun}} test/run.ts --suite format,lint,types,rules,unit

# one executable in dist/: --arch x64|arm64
[no-exit-message]
build *ARGS: (setup if ARGS =~ "arm64" { "arm64" } else { "demo" }) native
    @{{bun}} native/compile.ts {{ARGS}}

# the addon and the BPF objects
[no-exit-message]
native: (setup "node")
    @{{bun}} native/build.ts --optional

# prints the byte layouts as C headers: --check
[no-exit-message]
gen *ARGS: (setup "node")
    @{{bun}} native/gen.ts {{ARGS}}

# figures, beside other tools: peers, pps, tunnel, relay, policy, flood, switch, restart, subnet, mesh-start, records, records-scale, mqtt, brokers, memory, handshake, crypto, scale; --save writes them into the README
[no-exit-message]
bench *ARGS: (setup "bench") native
    @{{root}} {{bun}} bench/run.ts {{ARGS}}

# a simulated mesh, a scenario of the tests again, or --routing alone at scale: --seed S --gateways N --hours H --loss P --help
[no-exit-message]
sim *ARGS: (setup "node")
    @{{bun}} test/sim/run.ts {{ARGS}}

# mends the formatting
[no-exit-message]
fmt: (setup "node")
    @node_modules/.bin/biome check --write .

# node packages by lock file and the Debian packages that FOR (demo, test, bench, node) needs
[no-exit-message]
setup FOR="test":
    @sh .ci/setup {{FOR}}

# removes what was built
clean:
    rm -rf build dist coverage
