# Trellis. `npx --yes rust-just` lists these recipes; `demo` and `test` need nothing but node and npm.
bun := "sh .ci/bun"

_list:
    @{{just_executable()}} --list --unsorted

# four gateways on this machine tell the story: --gateways N, --keep
demo *ARGS: (setup "demo") native
    @{{bun}} test/demo/demo.ts {{ARGS}}

# every test suite: --suite unit,sim  --verbose
test *ARGS: (setup "test") native
    @{{bun}} test/run.ts {{ARGS}}

# format, lint, types, rules, unit: what a commit needs
check: (setup "node")
    @{{bun}} test/run.ts --suite format,lint,types,rules,unit

# the addon and the BPF objects
native: (setup "node")
    @test ! -f native/build.ts || {{bun}} native/build.ts --optional

# figures beside other tools: tunnel, handshake, crypto
bench *ARGS: (setup "bench") native
    @{{bun}} bench/run.ts {{ARGS}}

# a simulated mesh: --seed S --gateways N --hours H --loss P
sim *ARGS: (setup "node")
    @{{bun}} test/sim/run.ts {{ARGS}}

# mends the formatting
fmt: (setup "node")
    @node_modules/.bin/biome check --write .

# node packages by lock file and the Debian packages that FOR (demo, test, bench, node) needs
setup FOR="test":
    @sh .ci/setup {{FOR}}

# removes what was built
clean:
    rm -rf build dist coverage
