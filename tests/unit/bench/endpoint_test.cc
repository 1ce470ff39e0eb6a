#include "bench/load/endpoint.h"

#include <gtest/gtest.h>

namespace poplar::load {
namespace {

TEST(EndpointTest, TakesThisMachinesAddresses) {
  for (std::string_view text :
       {"127.0.0.1:110", "127.8.9.10:1", "[::1]:65535", "localhost:1110", "unix:/tmp/socket"}) {
    EXPECT_TRUE(ParseEndpoint(text).ok()) << text;
  }
  EXPECT_EQ(ParseEndpoint("127.0.0.1:110")->family(), AF_INET);
  EXPECT_EQ(ParseEndpoint("[::1]:110")->family(), AF_INET6);
  EXPECT_EQ(ParseEndpoint("unix:/tmp/socket")->family(), AF_UNIX);
}

TEST(EndpointTest, RefusesEverybodyElses) {
  for (std::string_view text : {"192.0.2.1:110", "[2001:db8::1]:110", "8.8.8.8:110"}) {
    StatusOr<Endpoint> endpoint = ParseEndpoint(text);
    EXPECT_EQ(endpoint.status().code(), StatusCode::kPermissionDenied) << text;
  }
}

TEST(EndpointTest, RefusesWhatItCannotRead) {
  for (std::string_view text :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:11x", "::1:110",
        "[::1:110", "mail.example.org:110", "unix:", "127.0.0.1:+110"}) {
    EXPECT_EQ(ParseEndpoint(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace poplar::load
