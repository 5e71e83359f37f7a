#include "waiting.h"

#include "check.h"

namespace trellis::test {
namespace {

Waiting::Packet packet_of(size_t size, int64_t since = 0) { return {{}, std::vector<uint8_t>(size, 1), since}; }

/** How many of `wanted` packets of `size` bytes fit in for one peer. */
size_t fill(Waiting& waiting, const std::string& peer, size_t size, size_t wanted) {
  size_t kept = 0;
  while (kept < wanted && waiting.keep(peer, packet_of(size), waiting.releases())) kept++;
  return kept;
}

}  // namespace

TEST("packets wait in order, for their own peer, and are given once") {
  Waiting waiting;
  CHECK(waiting.empty() && waiting.take().empty() && !waiting.release("a"));
  for (const size_t size : {20, 30, 40}) CHECK(waiting.keep("a", packet_of(size), waiting.releases()));
  CHECK(waiting.keep("b", packet_of(50), waiting.releases()));
  CHECK(!waiting.empty() && waiting.take().empty());
  CHECK(waiting.release("a"));
  const std::vector<Waiting::Packet> taken = waiting.take();
  CHECK(taken.size() == 3 && taken[0].bytes.size() == 20 && taken[1].bytes.size() == 30 && taken[2].bytes.size() == 40);
  CHECK(waiting.take().empty() && !waiting.empty());
  CHECK(waiting.release("b") && waiting.take().size() == 1 && waiting.empty());
}

TEST("a peer's queue is bounded in packets and in bytes, all queues in bytes and in peers") {
  Waiting small, large, all, many;
  CHECK(fill(small, "a", 40, 1000) == Waiting::MAX_PACKETS);
  CHECK(fill(large, "a", 60'000, 1000) == Waiting::MAX_PEER_BYTES / 60'000);
  size_t kept = 0;
  for (int i = 0; i < 40; i++) kept += fill(all, std::to_string(i), 60'000, 2);
  CHECK(kept == Waiting::MAX_BYTES / 60'000);
  kept = 0;
  for (int i = 0; i < 100; i++) kept += fill(many, std::to_string(i), 40, 1);
  CHECK(kept == Waiting::MAX_PEERS);
  CHECK(fill(many, "0", 40, 1) == 1);  // who has a queue may still add to it
}

TEST("what was taken or has expired makes room again") {
  Waiting waiting;
  CHECK(fill(waiting, "a", 60'000, 1000) == 2);
  CHECK(waiting.release("a") && waiting.take().size() == 2);
  CHECK(fill(waiting, "a", 60'000, 1000) == 2);
  CHECK(waiting.expire(Waiting::LIFETIME) == 0);
  CHECK(waiting.expire(Waiting::LIFETIME + 1) == 2 && waiting.empty());
  CHECK(fill(waiting, "a", 60'000, 1000) == 2);
}

TEST("only the old packets of a queue expire, and a packet that was looked at again keeps its age") {
  Waiting waiting;
  CHECK(waiting.keep("a", packet_of(20, 0), waiting.releases()) && waiting.keep("a", packet_of(30, 3000), waiting.releases()));
  const uint64_t before = waiting.releases();
  waiting.release("b");
  CHECK(waiting.keep("a", packet_of(40, 1000), before));
  std::vector<Waiting::Packet> again = waiting.take();
  CHECK(again.size() == 1 && again[0].since == 1000);
  CHECK(waiting.expire(Waiting::LIFETIME + 1) == 1);
  CHECK(waiting.release("a"));
  const std::vector<Waiting::Packet> left = waiting.take();
  CHECK(left.size() == 1 && left[0].bytes.size() == 30);
}

}  // namespace trellis::test
