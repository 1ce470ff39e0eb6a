// Host names as clients ask for them (SNI, RFC 6066 §3). They come from the network and name
// folders here, so what is not plainly a host name counts as none. Pure; any thread.

#pragma once

#include <string>
#include <string_view>

namespace poplar::net {

// `name` in lower case and without a dot at its end; empty: it is no host name. One has 1 to 253
// octets: labels of letters, digits, '-' and '_', at most 63 octets each, with dots between.
std::string NormalHostName(std::string_view name);

// What the body of a ClientHello's server_name extension asks for, by NormalHostName.
std::string HostNameInExtension(std::string_view extension);

// The name that stands for every first label: "_.example.org" for "pop.example.org"; empty: the
// host has one label only.
std::string WildcardOf(std::string_view host);

}  // namespace poplar::net
