#include "lpm.h"

#include <map>
#include <vector>

#include "check.h"

namespace trellis::test {
namespace {

Key v4(unsigned a, unsigned b, unsigned c, unsigned d) { return Key{a << 24 | b << 16 | c << 8 | d} << 96; }

}  // namespace

TEST("the longest of several prefixes that hold an address wins") {
  int any = 0, ten = 1, net = 2, host = 3;
  Lpm<int> table;
  CHECK(table.find(v4(10, 0, 0, 1)) == nullptr);
  table.insert(v4(10, 1, 2, 3), 32, &host);
  table.insert(v4(10, 0, 0, 0), 8, &ten);
  table.insert(v4(10, 1, 0, 0), 16, &net);
  CHECK(table.find(v4(11, 0, 0, 1)) == nullptr);
  table.insert(0, 0, &any);
  struct Row {
    Key address;
    int* want;
    const char* why;
  };
  for (const Row& row : std::vector<Row>{
           {v4(10, 1, 2, 3), &host, "the host itself"},
           {v4(10, 1, 2, 2), &net, "its neighbour"},
           {v4(10, 1, 255, 255), &net, "end of the /16"},
           {v4(10, 2, 0, 0), &ten, "outside the /16"},
           {v4(9, 255, 255, 255), &any, "just below the /8"},
           {v4(11, 0, 0, 0), &any, "just above the /8"},
           {~Key{0}, &any, "the last address"},
       }) {
    CHECK_CASE(table.find(row.address) == row.want, row.why);
  }
}

TEST("a prefix given twice belongs to its last owner, and bits beyond its length do not matter") {
  int first = 0, second = 1;
  Lpm<int> table;
  table.insert(v4(10, 1, 2, 3), 16, &first);
  table.insert(v4(10, 1, 9, 9), 16, &second);
  CHECK(table.find(v4(10, 1, 2, 3)) == &second);
  table.insert(1, 128, &first);
  table.insert(0, 127, &second);
  CHECK(table.find(1) == &first);
  CHECK(table.find(0) == &second);
}

TEST("longest prefix match agrees with a search through all prefixes") {
  Random random(2);
  for (int round = 0; round < 200; round++) {
    std::map<std::pair<Key, unsigned>, int*> all;
    std::vector<int> owners(64);
    Lpm<int> table;
    const auto address = [&] {  // few bits vary, so that prefixes nest and collide
      const Key high = Key{random.below(16)} << 124, low = random.below(16);
      return high | low | Key{random.below(4)} << random.below(120);
    };
    for (int& owner : owners) {
      const auto length = static_cast<unsigned>(random.below(129));
      const Key prefix = masked(address(), length);
      all[{prefix, length}] = &owner;
      table.insert(prefix, length, &owner);
    }
    for (int i = 0; i < 200; i++) {
      const Key wanted = address();
      int* best = nullptr;
      unsigned longest = 0;
      for (const auto& [key, owner] : all) {
        if (masked(wanted, key.second) != key.first || (best != nullptr && key.second < longest)) continue;
        best = owner;
        longest = key.second;
      }
      CHECK(table.find(wanted) == best);
    }
  }
}

}  // namespace trellis::test
