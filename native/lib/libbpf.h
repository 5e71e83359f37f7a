// libbpf, opened when first wanted: a gateway without it still loads the addon, and doctor says what is missing.
#pragma once
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

namespace trellis {

/** The functions we use, under their own names and with the types of the headers we compiled against. */
struct LibBpf {
  decltype(&libbpf_version_string) version_string;
  decltype(&libbpf_set_print) set_print;
  decltype(&libbpf_num_possible_cpus) num_possible_cpus;
  decltype(&bpf_object__open_mem) object_open_mem;
  decltype(&bpf_object__load) object_load;
  decltype(&bpf_object__close) object_close;
  decltype(&bpf_object__find_program_by_name) find_program_by_name;
  decltype(&bpf_object__find_map_by_name) find_map_by_name;
  decltype(&bpf_program__fd) program_fd;
  decltype(&bpf_program__set_log_buf) program_set_log_buf;
  decltype(&bpf_map__fd) map_fd;
  decltype(&bpf_map__reuse_fd) map_reuse_fd;
  decltype(&bpf_map_lookup_elem) map_lookup_elem;
  decltype(&bpf_map_update_elem) map_update_elem;
  decltype(&bpf_map_delete_elem) map_delete_elem;
  decltype(&bpf_map_create) map_create;
  decltype(&bpf_map_lookup_batch) map_lookup_batch;
  decltype(&ring_buffer__new) ring_buffer_new;
  decltype(&ring_buffer__consume) ring_buffer_consume;
  decltype(&ring_buffer__free) ring_buffer_free;
  decltype(&bpf_tc_hook_create) tc_hook_create;
  decltype(&bpf_tc_hook_destroy) tc_hook_destroy;
  decltype(&bpf_tc_attach) tc_attach;
  decltype(&bpf_tc_detach) tc_detach;
  decltype(&bpf_prog_test_run_opts) prog_test_run_opts;
  decltype(&bpf_obj_get_info_by_fd) obj_get_info_by_fd;
  decltype(&bpf_prog_get_fd_by_id) prog_get_fd_by_id;
  decltype(&bpf_map_get_fd_by_id) map_get_fd_by_id;
  decltype(&bpf_xdp_attach) xdp_attach;
  decltype(&bpf_xdp_detach) xdp_detach;
  decltype(&bpf_xdp_query_id) xdp_query_id;

  /** The library (1.0 or later), or null when it is not installed or lacks a function. */
  static const LibBpf* get();
};

}  // namespace trellis
