// Longest prefix match: a binary trie with compressed paths, in one vector so that a copy of it is one memory copy.
#pragma once
#include <bit>
#include <cstdint>
#include <vector>

namespace trellis {

/** An address, left-aligned: IPv6 fills it, IPv4 its upper 32 bits. */
using Key = unsigned __int128;

/** The upper `length` bits of `key`; the others zero. */
inline Key masked(Key key, unsigned length) { return length == 0 ? 0 : key & (~Key{0} << (128 - length)); }

/** Number of equal leading bits. */
inline unsigned common_bits(Key a, Key b) {
  const Key difference = a ^ b;
  const auto high = static_cast<uint64_t>(difference >> 64);
  if (high != 0) return static_cast<unsigned>(std::countl_zero(high));
  return 64 + static_cast<unsigned>(std::countl_zero(static_cast<uint64_t>(difference)));
}

template <typename Value>
class Lpm {
 public:
  /** Maps `prefix/length` to `value`, replacing what it had. Bits of `prefix` beyond `length` are ignored. */
  void insert(Key prefix, unsigned length, Value* value) {
    prefix = masked(prefix, length);
    int32_t parent = NONE;
    unsigned side = 0;
    int32_t at = root_;
    while (at != NONE) {
      const Node& node = nodes_[at];
      const unsigned shared = shared_bits(node, prefix, length);
      if (shared < node.length) break;  // the paths part inside this node's prefix: it goes below a new one
      if (node.length == length) {
        nodes_[at].value = value;
        return;
      }
      parent = at;
      side = bit(prefix, node.length);
      at = node.child[side];
    }
    link(parent, side, at == NONE ? add(prefix, length, value) : branch(at, prefix, length, value));
  }

  /** The value of the longest prefix that holds `address`; null when none does. */
  Value* find(Key address) const {
    Value* best = nullptr;
    for (int32_t at = root_; at != NONE;) {
      const Node& node = nodes_[at];
      if (masked(address, node.length) != node.prefix) break;
      if (node.value != nullptr) best = node.value;
      if (node.length == 128) break;
      at = node.child[bit(address, node.length)];
    }
    return best;
  }

 private:
  static constexpr int32_t NONE = -1;
  struct Node {
    Key prefix;
    Value* value;
    int32_t child[2];
    uint8_t length;
  };

  static unsigned bit(Key key, unsigned position) { return static_cast<unsigned>(key >> (127 - position)) & 1; }

  static unsigned shared_bits(const Node& node, Key prefix, unsigned length) {
    const unsigned limit = node.length < length ? node.length : length;
    const unsigned shared = common_bits(node.prefix, prefix);
    return shared < limit ? shared : limit;
  }

  int32_t add(Key prefix, unsigned length, Value* value) {
    nodes_.push_back({prefix, value, {NONE, NONE}, static_cast<uint8_t>(length)});
    return static_cast<int32_t>(nodes_.size()) - 1;
  }

  /** Puts a node above `below`: the new prefix itself, or the fork where both part. */
  int32_t branch(int32_t below, Key prefix, unsigned length, Value* value) {
    const unsigned shared = shared_bits(nodes_[below], prefix, length);
    if (shared == length) {
      const int32_t node = add(prefix, length, value);
      nodes_[node].child[bit(nodes_[below].prefix, length)] = below;
      return node;
    }
    const int32_t fork = add(masked(prefix, shared), shared, nullptr);
    const int32_t leaf = add(prefix, length, value);
    nodes_[fork].child[bit(prefix, shared)] = leaf;
    nodes_[fork].child[bit(nodes_[below].prefix, shared)] = below;
    return fork;
  }

  void link(int32_t parent, unsigned side, int32_t node) {
    if (parent == NONE) root_ = node;
    else nodes_[parent].child[side] = node;
  }

  std::vector<Node> nodes_;
  int32_t root_ = NONE;
};

}  // namespace trellis
