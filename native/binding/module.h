// The parts of the addon. Each registers its functions on `exports`; module.cc calls them in this order.
#pragma once

#include <node_api.h>

namespace trellis {

/** The tunnel and the AEAD (tunnel.cc). */
void register_tunnel(napi_env env, napi_value exports);

/** Links, credentials, systemd, probes and BPF (system.cc, bpf.cc). */
void register_system(napi_env env, napi_value exports);
void register_bpf(napi_env env, napi_value exports);

/** Interfaces and their changes (interfaces.cc). */
void register_interfaces(napi_env env, napi_value exports);

/** Routes of the kernel (kernel_routes.cc). */
void register_kernel_routes(napi_env env, napi_value exports);
/** Datagrams to everybody on a link (multicast.cc). */
void register_multicast(napi_env env, napi_value exports);

/** The relay in the kernel (relay.cc). */
void register_relay(napi_env env, napi_value exports);

/** Policy and flows on the overlay device (mesh_filter.cc). */
void register_mesh_filter(napi_env env, napi_value exports);

}  // namespace trellis
