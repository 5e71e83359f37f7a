// A BPF object file in memory: opened, changed while it is not loaded yet, loaded. What the verifier or libbpf said goes into a log.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libbpf.h"
#include "status.h"

namespace trellis {

class BpfObject {
 public:
  /** Opens the object's bytes; `name` is what the kernel shows. On failure `object` is null. */
  static Status open(std::span<const uint8_t> bytes, const char* name, std::unique_ptr<BpfObject>& object, std::string& log);
  ~BpfObject();
  BpfObject(const BpfObject&) = delete;
  BpfObject& operator=(const BpfObject&) = delete;

  /** Gives a map of this object, before it is loaded, the memory of another's. */
  Status share(const char* map, int descriptor);

  /** Loads maps and programs. `program` is the one whose verifier log is kept, and what `program()` gives; ENOENT when there is none. */
  Status load(const char* program, std::string& log);

  int program() const { return program_; }
  /** Descriptor of any loaded program; negative when there is none of that name. */
  int program(const char* name) const;
  /** Descriptor of a loaded map; negative when there is none. */
  int map(const char* name) const;

 private:
  explicit BpfObject(bpf_object* object) : object_(object) {}
  bpf_object* object_;
  int program_ = -1;
};

/** Sums the values of a per-CPU array of counters. */
Status sum_counters(int map, std::span<uint64_t> out);

}  // namespace trellis
