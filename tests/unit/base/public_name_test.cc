#include "core/base/public_name.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::base {
namespace {

TEST(PublicName, WhatDnsCanHave) {
  const std::string label(63, 'a');
  for (const std::string& name : {std::string("example"), std::string("Pop-1.example"),
                                  "a." + label, std::string("127.0.0.1")}) {
    EXPECT_TRUE(IsDomainName(name)) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("a."),
        std::string("-a.b"), std::string("a-.b"), std::string("a_b"), std::string("a b"),
        label + "a", label + "." + label + "." + label + "." + label}) {
    EXPECT_FALSE(IsDomainName(name)) << name;
  }
}

TEST(PublicName, WhatOthersFind) {
  for (const char* const name : {"pop.acme.example", "a.b", "4.example"}) {
    EXPECT_TRUE(IsPublicName(name)) << name;
  }
  for (const char* const name : {"", "mailhost", "localhost", "pop.localhost", "pop.localdomain",
                                 "192.0.2.5", "pop.example."}) {
    EXPECT_FALSE(IsPublicName(name)) << name;
  }
}

}  // namespace
}  // namespace poplar::base
