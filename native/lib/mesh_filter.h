// Policy and flows on the overlay device: the programs of bpf/mesh.bpf.c with their tables, gone with the process.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bpf_object.h"
#include "layout.gen.h"
#include "tc_hook.h"

namespace trellis {

/** What BPF_PROG_TEST_RUN is to make of an IP packet. */
struct MeshTrial {
  TcDirection direction = TcDirection::in;
  uint32_t segment = 0;  // payload of each packet of a superpacket; 0 for one packet
  uint32_t repeat = 1;
};

class MeshFilter {
 public:
  /** On failure `filter` is null and `log` says why, with the verifier's words when it was the verifier. */
  static Status load(std::span<const uint8_t> object, std::unique_ptr<MeshFilter>& filter, std::string& log);
  ~MeshFilter();

  /** Both directions of a device. A packet is dropped while there is no policy: `replace` comes first. */
  Status attach(const std::string& device, bool clsact);
  bool is_tcx() const { return in_.is_tcx(); }

  /** Puts a compiled policy (rows of 64 bytes) into force, by one update, and lets the old one go. */
  Status replace(std::span<const uint8_t> table);

  /** Counters of `out.size()` rules from `first` on, over all CPUs. */
  Status rule_counters(uint32_t first, std::span<mesh_count> out) const;
  /** Also what lies in one entry with them: the ranges in use lie MESH_COUNTERS_TOGETHER apart. */
  Status clear_rule_counters(uint32_t first, uint32_t count);
  /** By direction and reason (see MESH_DROPS); the last one counts events that were lost. */
  Status drop_counters(std::span<uint64_t> out) const { return sum_counters(object_->map("mesh_drop_counters"), out); }

  /** Flows, or attempts that were denied: keys with their values. */
  Status flows(bool denied, std::vector<uint8_t>& out) const;
  /** Events since the last call: structs, at most `most`. */
  Status events(size_t most, std::vector<uint8_t>& out);

  /** Runs a program on an IP packet, behind an Ethernet header as the policy has to say. `code` is what it returned, `nanoseconds` what a run took on average. */
  Status run(const MeshTrial& trial, std::span<const uint8_t> packet, uint32_t& code, uint32_t& nanoseconds) const;

 private:
  explicit MeshFilter(std::unique_ptr<BpfObject> object) : object_(std::move(object)) {}

  std::unique_ptr<BpfObject> object_;
  TcHook in_, out_;
  ring_buffer* ring_ = nullptr;
  std::vector<uint8_t>* collecting_ = nullptr;
  size_t room_ = 0;
};

}  // namespace trellis
