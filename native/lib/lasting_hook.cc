#include "lasting_hook.h"

#include <linux/if_link.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "libbpf.h"

namespace trellis {
namespace {

constexpr uint32_t TCX_INGRESS = 46;
constexpr uint32_t F_BEFORE = 1U << 3, F_AFTER = 1U << 4, F_ID = 1U << 5;
constexpr int TRIES = 8;

/** As the kernel has them since tcx; the headers of Debian 12 are older. */
struct AttachAttributes {
  uint32_t device, program, type, flags, replaced, relative;
  uint64_t revision;
};
struct QueryAttributes {
  uint32_t device, type, query_flags, attach_flags;
  uint64_t ids;
  uint32_t count, padding;
  uint64_t flags_of_each, links, flags_of_links, revision;
};

struct Attached {
  std::array<uint32_t, 64> ids{};  // as many as the kernel allows
  uint32_t count = 0;
  uint64_t revision = 0;
};

bool query(int device, Attached& out) {
  QueryAttributes attributes{};
  attributes.device = static_cast<uint32_t>(device);
  attributes.type = TCX_INGRESS;
  attributes.ids = reinterpret_cast<uint64_t>(out.ids.data());
  attributes.count = static_cast<uint32_t>(out.ids.size());
  if (syscall(SYS_bpf, BPF_PROG_QUERY, &attributes, sizeof attributes) != 0) return false;
  out.count = std::min<uint32_t>(attributes.count, static_cast<uint32_t>(out.ids.size()));
  out.revision = attributes.revision;
  return true;
}

/** Where among the attached; `count` when it is not there. */
uint32_t place_of(const Attached& attached, uint32_t id) {
  return static_cast<uint32_t>(std::find(attached.ids.begin(), attached.ids.begin() + attached.count, id) - attached.ids.begin());
}

}  // namespace

Status program_id(int program, uint32_t& id) {
  bpf_prog_info info{};
  uint32_t size = sizeof info;
  const int error = LibBpf::get()->obj_get_info_by_fd(program, &info, &size);
  id = info.id;
  return error == 0 ? Status{} : Status{-error, "BPF_OBJ_GET_INFO_BY_FD"};
}

Status attach_lasting_tcx(int program, int device) {
  AttachAttributes attributes{};
  attributes.device = static_cast<uint32_t>(device);
  attributes.program = static_cast<uint32_t>(program);
  attributes.type = TCX_INGRESS;
  attributes.flags = F_BEFORE;
  return syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof attributes) == 0 ? Status{} : failed("BPF_PROG_ATTACH");
}

bool has_tcx(int device, uint32_t id) {
  Attached attached;
  return query(device, attached) && place_of(attached, id) < attached.count;
}

std::vector<uint32_t> tcx_ids(int device) {
  Attached attached;
  if (!query(device, attached)) return {};
  return {attached.ids.begin(), attached.ids.begin() + attached.count};
}

/** Without a descriptor, which only CAP_SYS_ADMIN gets for an id: by its place, at a revision of the list. */
bool detach_tcx(int device, uint32_t id) {
  for (int i = 0; i < TRIES; i++) {
    Attached attached;
    if (!query(device, attached)) return false;
    const uint32_t place = place_of(attached, id);
    if (place == attached.count) return false;
    AttachAttributes attributes{};
    attributes.device = static_cast<uint32_t>(device);
    attributes.type = TCX_INGRESS;
    attributes.flags = place == 0 ? F_BEFORE : F_AFTER | F_ID;
    attributes.relative = place == 0 ? 0 : attached.ids[place - 1];
    attributes.revision = attached.revision;
    if (syscall(SYS_bpf, BPF_PROG_DETACH, &attributes, sizeof attributes) == 0) return true;
    if (errno != ESTALE) return false;
  }
  return false;
}

Status attach_lasting_xdp(int program, int device, uint32_t before) {
  const bool replaces = before != 0 && xdp_id(device) == before;
  const uint32_t flags = XDP_FLAGS_DRV_MODE | (replaces ? 0 : XDP_FLAGS_UPDATE_IF_NOEXIST);
  const int error = LibBpf::get()->xdp_attach(device, program, flags, nullptr);
  return error == 0 ? Status{} : Status{-error, "bpf_xdp_attach"};
}

uint32_t xdp_id(int device) {
  uint32_t there = 0;
  return LibBpf::get()->xdp_query_id(device, XDP_FLAGS_DRV_MODE, &there) == 0 ? there : 0;
}

bool detach_xdp(int device, uint32_t id) {
  return id != 0 && xdp_id(device) == id && LibBpf::get()->xdp_detach(device, XDP_FLAGS_DRV_MODE, nullptr) == 0;
}

}  // namespace trellis
