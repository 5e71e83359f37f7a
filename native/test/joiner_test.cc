// Packets in parts: whatever order, whatever is missing.
#include "joiner.h"

#include <algorithm>

#include "check.h"
#include "frame.h"
#include "packets.h"

namespace trellis::test {
namespace {

struct Piece {
  uint64_t counter;
  uint8_t flags;
  Bytes bytes;
};

/** A packet of `count` parts whose bytes tell what they are. */
std::vector<Piece> pieces(uint64_t first, size_t count, uint8_t flags = 0) {
  std::vector<Piece> out;
  for (size_t i = 0; i < count; i++) {
    const uint8_t place = static_cast<uint8_t>((i + 1 < count ? FLAG_MORE : 0) | (i > 0 ? FLAG_REST : 0));
    out.push_back({first + i, static_cast<uint8_t>(flags | place), Bytes(10 + i, static_cast<uint8_t>(first + i))});
  }
  return out;
}

Bytes whole(const std::vector<Piece>& all) {
  Bytes out;
  for (const Piece& piece : all) out.insert(out.end(), piece.bytes.begin(), piece.bytes.end());
  return out;
}

bool add(Joiner& joiner, const Piece& piece, Joiner::Joined& joined) {
  return joiner.add(piece.counter, piece.flags, piece.bytes.data(), piece.bytes.size(), joined);
}

}  // namespace

TEST("parts make their packet in any order, once, when the last has come") {
  std::vector<size_t> order = {0, 1, 2, 3};
  do {
    Joiner joiner;
    Joiner::Joined joined;
    const auto all = pieces(60, 4, FLAG_PARTIAL_CHECKSUM);  // across the end of the ring
    for (size_t i = 0; i < order.size(); i++) CHECK(add(joiner, all[order[i]], joined) == (i == 3));
    CHECK(joined.packet == whole(all) && joined.partial);
    CHECK(!add(joiner, all[0], joined));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST("two packets whose parts follow each other are not mixed") {
  Joiner joiner;
  Joiner::Joined joined;
  const auto first = pieces(0, 2), second = pieces(2, 2);
  CHECK(!add(joiner, first[1], joined) && !add(joiner, second[0], joined));
  CHECK(add(joiner, first[0], joined) && joined.packet == whole(first));
  CHECK(add(joiner, second[1], joined) && joined.packet == whole(second));
}

TEST("what is missing a part gives way, and what comes too late is nothing") {
  Joiner joiner;
  Joiner::Joined joined;
  const auto old = pieces(5, 2), fresh = pieces(5 + Joiner::KEPT, 2);
  CHECK(!add(joiner, old[0], joined) && !add(joiner, fresh[0], joined) && !add(joiner, old[1], joined));
  CHECK(!add(joiner, old[0], joined));
  CHECK(add(joiner, fresh[1], joined) && joined.packet == whole(fresh));
}

TEST("no parts, however they are marked, make more than the longest packet or read beyond what there is") {
  Joiner joiner;
  Random random(7);
  size_t made = 0;
  for (int i = 0; i < 20'000; i++) {
    Joiner::Joined joined;
    const Bytes bytes(random.below(3000), 1);
    const auto flags = static_cast<uint8_t>(FLAG_MORE + (random.below(3) << 1));
    const uint64_t counter = static_cast<uint64_t>(i) + random.below(5);
    if (joiner.add(counter, flags & KNOWN_FLAGS, bytes.data(), bytes.size(), joined)) {
      made++;
      CHECK(joined.packet.size() <= Joiner::LONGEST);
    }
  }
  CHECK(made > 100);
}

TEST("parts without beginning or end stay within the ring") {
  for (const uint8_t flags : {FLAG_MORE, FLAG_REST, static_cast<uint8_t>(FLAG_MORE | FLAG_REST)}) {
    Joiner joiner;
    Joiner::Joined joined;
    for (uint64_t counter = 0; counter < 3 * Joiner::KEPT; counter++) {
      const uint8_t byte = 1;
      const bool complete = joiner.add(counter, flags, &byte, 1, joined);
      CHECK(!complete);
    }
  }
}

}  // namespace trellis::test
