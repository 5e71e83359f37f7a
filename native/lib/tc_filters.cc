#include "tc_filters.h"

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include <cstring>
#include <string_view>

#include "netlink_request.h"

namespace trellis {
namespace {

std::string text_of(const rtattr* attribute) {
  const std::string_view text(static_cast<const char*>(RTA_DATA(attribute)), RTA_PAYLOAD(attribute));
  return std::string(text.substr(0, text.find('\0')));
}

/** What is within `outer`, or at the end of a message. */
template <typename Each>
void each_attribute(const void* first, size_t size, const Each& each) {
  int left = static_cast<int>(size);
  for (const auto* at = static_cast<const rtattr*>(first); RTA_OK(at, left); at = RTA_NEXT(at, left)) each(at);
}

void read_filter(const nlmsghdr* message, std::vector<TcFilter>& out) {
  if (message->nlmsg_type != RTM_NEWTFILTER) return;
  const auto* header = static_cast<const tcmsg*>(NLMSG_DATA(message));
  TcFilter filter{header->tcm_handle, TC_H_MAJ(header->tcm_info) >> 16, 0, {}};
  bool is_bpf = false;
  each_attribute(TCA_RTA(header), TCA_PAYLOAD(message), [&](const rtattr* outer) {
    if (outer->rta_type == TCA_KIND) is_bpf = text_of(outer) == "bpf";
    if (outer->rta_type != TCA_OPTIONS) return;
    each_attribute(RTA_DATA(outer), RTA_PAYLOAD(outer), [&](const rtattr* at) {
      if (at->rta_type == TCA_BPF_NAME) filter.name = text_of(at);
      if (at->rta_type == TCA_BPF_ID && RTA_PAYLOAD(at) >= sizeof filter.program) std::memcpy(&filter.program, RTA_DATA(at), sizeof filter.program);
    });
  });
  if (!is_bpf) filter.program = 0;
  if (filter.handle != 0) out.push_back(std::move(filter));  // the kernel names each classifier once more, without a filter
}

}  // namespace

Status read_tc_filters(int device, TcDirection direction, std::vector<TcFilter>& out) {
  out.clear();
  NetlinkRequest request(RTM_GETTFILTER, NLM_F_DUMP);
  tcmsg header{};
  header.tcm_ifindex = device;
  header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction == TcDirection::in ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
  request.body(header);
  return NetlinkSocket().run(request, "RTM_GETTFILTER", [&](const nlmsghdr* message) { read_filter(message, out); });
}

}  // namespace trellis
