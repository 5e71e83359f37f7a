#include "joiner.h"

#include "frame.h"

namespace trellis {

Joiner::Part* Joiner::at(uint64_t counter) {
  Part& part = (*parts_)[counter % KEPT];
  return part.flags != 0 && part.counter == counter ? &part : nullptr;
}

bool Joiner::add(uint64_t counter, uint8_t flags, const uint8_t* data, size_t size, Joined& out) {
  if (parts_ == nullptr) parts_ = std::make_unique<std::array<Part, KEPT>>();
  Part& part = (*parts_)[counter % KEPT];
  if (part.flags != 0 && part.counter > counter) return false;  // too late: its place is taken
  part.counter = counter;
  part.flags = flags;
  part.bytes.assign(data, data + size);

  uint64_t first = counter, last = counter;
  for (const Part* before = &part; (before->flags & FLAG_REST) != 0; first--) {
    if (first == 0 || counter - first >= KEPT) return false;
    before = at(first - 1);
    if (before == nullptr || (before->flags & FLAG_MORE) == 0) return false;
  }
  for (const Part* behind = &part; (behind->flags & FLAG_MORE) != 0; last++) {
    if (last - first >= KEPT) return false;
    behind = at(last + 1);
    if (behind == nullptr || (behind->flags & FLAG_REST) == 0) return false;
  }
  out.packet.clear();
  out.partial = (at(first)->flags & FLAG_PARTIAL_CHECKSUM) != 0;
  for (uint64_t each = first; each <= last; each++) {
    Part& joined = *at(each);
    out.packet.insert(out.packet.end(), joined.bytes.begin(), joined.bytes.end());
    joined.flags = 0;
  }
  return out.packet.size() <= LONGEST;
}

}  // namespace trellis
