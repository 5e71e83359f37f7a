#include "batch.h"

#include "packets.h"

namespace trellis::test {
namespace {

constexpr size_t FRAME = 1400;
constexpr size_t FULL = Batch::MAX_PAYLOAD / FRAME;
const Endpoint HERE{{}, 1}, THERE{{}, 2};

/** Frames are told apart by their first bytes. */
void add(Batch& batch, uint32_t number, size_t size = FRAME, const Endpoint& to = HERE) {
  uint8_t* at = batch.reserve(size);
  CHECK(at != nullptr);
  std::memcpy(at, &number, sizeof number);
  batch.commit(to, size);
}

/** Numbers of the frames of each burst, as they would be sent. */
std::vector<std::vector<uint32_t>> sent(Batch& batch) {
  std::vector<std::vector<uint32_t>> bursts;
  for (size_t i = 0; i < batch.bursts(); i++) {
    const Burst& burst = batch.burst(i);
    auto& numbers = bursts.emplace_back();
    for (size_t at = 0; at < burst.bytes; at += burst.segment) std::memcpy(&numbers.emplace_back(), batch.data(burst) + at, sizeof(uint32_t));
  }
  batch.clear();
  return bursts;
}

std::vector<uint32_t> from(uint32_t first, size_t count) {
  std::vector<uint32_t> numbers;
  for (size_t i = 0; i < count; i++) numbers.push_back(first + static_cast<uint32_t>(i));
  return numbers;
}

}  // namespace

TEST("a burst that is not full waits for the next batch and is its first") {
  Batch batch;
  uint32_t number = 0, next = 0;
  const size_t turn = FULL + 4;  // what one superpacket of the device may bring
  for (int i = 0; i < 100; i++) {
    for (size_t j = 0; j < turn; j++) add(batch, number++);
    batch.hold_unfinished();
    for (const auto& burst : sent(batch)) {
      CHECK(burst == from(next, FULL));
      next += FULL;
    }
    CHECK(batch.bytes() == (number - next) * FRAME && batch.bytes() < FULL * FRAME);
  }
  const auto rest = sent(batch);
  CHECK(rest.size() == 1 && rest[0] == from(next, number - next) && batch.bytes() == 0 && batch.bursts() == 0);
}

TEST("a burst in which nothing could follow waits for nothing") {
  Batch batch;
  const auto waits = [&] {
    batch.hold_unfinished();
    sent(batch);
    const bool waited = batch.bursts() == 1;
    sent(batch);
    return waited;
  };
  CHECK(!waits());  // there is none
  for (uint32_t i = 0; i < FULL; i++) add(batch, i);
  CHECK(!waits());  // it is full
  for (uint32_t i = 0; i < Batch::MAX_SEGMENTS; i++) add(batch, i, 100);
  CHECK(!waits());  // of frames
  add(batch, 0);
  add(batch, 1, FRAME - 1);
  CHECK(!waits());  // a shorter one has ended it
  add(batch, 0);
  CHECK(waits());
}

TEST("what waits is followed by its like only") {
  Batch batch;
  const auto hold = [&] {
    add(batch, 0);
    batch.hold_unfinished();
    CHECK(sent(batch).empty());
  };
  hold();
  add(batch, 1, FRAME, THERE);
  CHECK((sent(batch) == std::vector<std::vector<uint32_t>>{{0}, {1}}));
  hold();
  batch.part();
  add(batch, 1);
  CHECK((sent(batch) == std::vector<std::vector<uint32_t>>{{0}, {1}}));
  hold();
  add(batch, 1);
  CHECK((sent(batch) == std::vector<std::vector<uint32_t>>{{0, 1}}));
}

}  // namespace trellis::test
