#include "mesh_filter.h"

#include <net/if.h>
#include <sys/mman.h>

#include <array>
#include <cstring>

namespace trellis {
namespace {

constexpr size_t ROW = POLICY_ROW_WORDS * sizeof(uint32_t);
using RuleCounts = std::array<mesh_count, MESH_COUNTERS_TOGETHER>;
constexpr const char* PROGRAMS[] = {"mesh_in", "mesh_out"};

}  // namespace

Status MeshFilter::load(std::span<const uint8_t> bytes, std::unique_ptr<MeshFilter>& filter, std::string& log) {
  filter.reset();
  std::unique_ptr<BpfObject> object;
  if (const Status status = BpfObject::open(bytes, "trellis_mesh", object, log); !status.ok()) return status;
  if (const Status status = object->load(PROGRAMS[0], log); !status.ok()) return status;
  std::unique_ptr<MeshFilter> made(new MeshFilter(std::move(object)));
  const auto collect = [](void* context, void* data, size_t size) {
    auto* self = static_cast<MeshFilter*>(context);
    const auto* event = static_cast<const uint8_t*>(data);
    self->collecting_->insert(self->collecting_->end(), event, event + size);
    return --self->room_ == 0 ? -EAGAIN : 0;
  };
  made->ring_ = LibBpf::get()->ring_buffer_new(made->object_->map("mesh_events"), collect, made.get(), nullptr);
  if (made->ring_ == nullptr) return failed("ring_buffer__new");
  filter = std::move(made);
  return {};
}

MeshFilter::~MeshFilter() {
  in_.detach();
  out_.detach();
  if (ring_ != nullptr) LibBpf::get()->ring_buffer_free(ring_);
}

Status MeshFilter::attach(const std::string& device, bool clsact) {
  const int index = static_cast<int>(if_nametoindex(device.c_str()));
  if (index == 0) return failed("if_nametoindex");
  const Status status = TcHook::attach(object_->program(PROGRAMS[0]), index, TcDirection::in, clsact, in_);
  if (!status.ok()) return status;
  return TcHook::attach(object_->program(PROGRAMS[1]), index, TcDirection::out, clsact, out_);
}

Status MeshFilter::replace(std::span<const uint8_t> table) {
  if (table.empty() || table.size() % ROW != 0 || table.size() > ROW * POLICY_ROWS_MAX) return {EINVAL, "policy table"};
  const LibBpf* library = LibBpf::get();
  bpf_map_create_opts options{};
  options.sz = sizeof(options);
  options.map_flags = BPF_F_MMAPABLE;
  const int fd = library->map_create(BPF_MAP_TYPE_ARRAY, "policy_table", sizeof(uint32_t), ROW, POLICY_ROWS_MAX, &options);
  if (fd < 0) return {-fd, "BPF_MAP_CREATE"};
  const Descriptor map(fd);
  void* memory = mmap(nullptr, table.size(), PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
  if (memory == MAP_FAILED) return failed("mmap");
  std::memcpy(memory, table.data(), table.size());
  munmap(memory, table.size());
  const uint32_t only = 0, inner = static_cast<uint32_t>(map.get());
  const int error = library->map_update_elem(object_->map("mesh_policy"), &only, &inner, BPF_ANY);
  return error == 0 ? Status{} : Status{-error, "bpf_map_update_elem"};
}

Status MeshFilter::rule_counters(uint32_t first, std::span<mesh_count> out) const {
  const LibBpf* library = LibBpf::get();
  const int cpus = library->num_possible_cpus();
  if (cpus < 0) return {-cpus, "libbpf_num_possible_cpus"};
  std::vector<RuleCounts> values(static_cast<size_t>(cpus));
  for (size_t at = 0; at < out.size(); at++) {
    const uint32_t index = first + static_cast<uint32_t>(at), entry = index / MESH_COUNTERS_TOGETHER, place = index % MESH_COUNTERS_TOGETHER;
    if (at == 0 || place == 0) {
      const int error = library->map_lookup_elem(object_->map("mesh_rule_counters"), &entry, values.data());
      if (error != 0) return {-error, "bpf_map_lookup_elem"};
    }
    out[at] = {};
    for (const RuleCounts& value : values) {
      out[at].packets += value[place].packets;
      out[at].bytes += value[place].bytes;
    }
  }
  return {};
}

Status MeshFilter::clear_rule_counters(uint32_t first, uint32_t count) {
  const LibBpf* library = LibBpf::get();
  const int cpus = library->num_possible_cpus();
  if (cpus < 0) return {-cpus, "libbpf_num_possible_cpus"};
  const std::vector<RuleCounts> zeros(static_cast<size_t>(cpus));
  for (uint32_t entry = first / MESH_COUNTERS_TOGETHER; entry * MESH_COUNTERS_TOGETHER < first + count; entry++) {
    const int error = library->map_update_elem(object_->map("mesh_rule_counters"), &entry, zeros.data(), BPF_ANY);
    if (error != 0) return {-error, "bpf_map_update_elem"};
  }
  return {};
}

Status MeshFilter::flows(bool denied, std::vector<uint8_t>& out) const {
  constexpr uint32_t BATCH = 1024;
  const LibBpf* library = LibBpf::get();
  const int map = object_->map(denied ? "mesh_denied" : "mesh_flows");
  std::vector<mesh_flow_key> keys(BATCH);
  std::vector<mesh_flow> values(BATCH);
  uint32_t from = 0, next = 0;
  for (bool begun = false;; begun = true, from = next) {
    uint32_t count = BATCH;
    const int error = library->map_lookup_batch(map, begun ? &from : nullptr, &next, keys.data(), values.data(), &count, nullptr);
    if (error != 0 && error != -ENOENT) return {-error, "BPF_MAP_LOOKUP_BATCH"};
    for (uint32_t at = 0; at < count; at++) {
      const auto* key = reinterpret_cast<const uint8_t*>(&keys[at]);
      const auto* value = reinterpret_cast<const uint8_t*>(&values[at]);
      out.insert(out.end(), key, key + sizeof(mesh_flow_key));
      out.insert(out.end(), value, value + sizeof(mesh_flow));
    }
    if (error == -ENOENT) return {};
  }
}

Status MeshFilter::events(size_t most, std::vector<uint8_t>& out) {
  collecting_ = &out;
  room_ = most;
  const int count = LibBpf::get()->ring_buffer_consume(ring_);
  collecting_ = nullptr;
  return count >= 0 || count == -EAGAIN ? Status{} : Status{-count, "ring_buffer__consume"};
}

Status MeshFilter::run(const MeshTrial& trial, std::span<const uint8_t> packet, uint32_t& code, uint32_t& nanoseconds) const {
  constexpr size_t ETHERNET = 14;  // the kernel takes a frame; the policy in force says that there is a link header
  std::vector<uint8_t> frame(ETHERNET + packet.size());
  const bool v4 = !packet.empty() && packet[0] >> 4 == 4;
  frame[12] = v4 ? 0x08 : 0x86;
  frame[13] = v4 ? 0x00 : 0xdd;
  if (!packet.empty()) std::memcpy(frame.data() + ETHERNET, packet.data(), packet.size());
  __sk_buff context{};
  context.gso_size = trial.segment;
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<uint32_t>(frame.size());
  options.repeat = static_cast<int>(trial.repeat);
  if (trial.segment != 0) {
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
  }
  const char* name = PROGRAMS[trial.direction == TcDirection::in ? 0 : 1];
  const int error = LibBpf::get()->prog_test_run_opts(object_->program(name), &options);
  if (error != 0) return {-error, "BPF_PROG_TEST_RUN"};
  code = options.retval;
  nanoseconds = options.duration;
  return {};
}

}  // namespace trellis
