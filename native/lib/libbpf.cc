#include "libbpf.h"

#include <dlfcn.h>

namespace trellis {
namespace {

template <typename Function>
bool resolve(void* library, const char* name, Function& out) {
  out = reinterpret_cast<Function>(dlsym(library, name));
  return out != nullptr;
}

const LibBpf* open_library() {
  // Version 1 promised a stable interface; version 0 has other error conventions.
  void* library = dlopen("libbpf.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  static LibBpf table;
  const bool complete = resolve(library, "libbpf_version_string", table.version_string) &&
                        resolve(library, "libbpf_set_print", table.set_print) &&
                        resolve(library, "libbpf_num_possible_cpus", table.num_possible_cpus) &&
                        resolve(library, "bpf_object__open_mem", table.object_open_mem) &&
                        resolve(library, "bpf_object__load", table.object_load) &&
                        resolve(library, "bpf_object__close", table.object_close) &&
                        resolve(library, "bpf_object__find_program_by_name", table.find_program_by_name) &&
                        resolve(library, "bpf_object__find_map_by_name", table.find_map_by_name) &&
                        resolve(library, "bpf_program__fd", table.program_fd) &&
                        resolve(library, "bpf_program__set_log_buf", table.program_set_log_buf) &&
                        resolve(library, "bpf_map__fd", table.map_fd) &&
                        resolve(library, "bpf_map__reuse_fd", table.map_reuse_fd) &&
                        resolve(library, "bpf_map_lookup_elem", table.map_lookup_elem) &&
                        resolve(library, "bpf_map_update_elem", table.map_update_elem) &&
                        resolve(library, "bpf_map_delete_elem", table.map_delete_elem) &&
                        resolve(library, "bpf_map_create", table.map_create) &&
                        resolve(library, "bpf_map_lookup_batch", table.map_lookup_batch) &&
                        resolve(library, "ring_buffer__new", table.ring_buffer_new) &&
                        resolve(library, "ring_buffer__consume", table.ring_buffer_consume) &&
                        resolve(library, "ring_buffer__free", table.ring_buffer_free) &&
                        resolve(library, "bpf_tc_hook_create", table.tc_hook_create) &&
                        resolve(library, "bpf_tc_hook_destroy", table.tc_hook_destroy) &&
                        resolve(library, "bpf_tc_attach", table.tc_attach) && resolve(library, "bpf_tc_detach", table.tc_detach) &&
                        resolve(library, "bpf_prog_test_run_opts", table.prog_test_run_opts) &&
                        resolve(library, "bpf_obj_get_info_by_fd", table.obj_get_info_by_fd) &&
                        resolve(library, "bpf_prog_get_fd_by_id", table.prog_get_fd_by_id) &&
                        resolve(library, "bpf_map_get_fd_by_id", table.map_get_fd_by_id) &&
                        resolve(library, "bpf_xdp_attach", table.xdp_attach) && resolve(library, "bpf_xdp_detach", table.xdp_detach) &&
                        resolve(library, "bpf_xdp_query_id", table.xdp_query_id);
  return complete ? &table : nullptr;
}

}  // namespace

const LibBpf* LibBpf::get() {
  static const LibBpf* const library = open_library();
  return library;
}

}  // namespace trellis
