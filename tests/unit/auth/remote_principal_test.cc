// Who a back end in an auth host says that somebody is, and what of it counts.

#include <string>

#include "tests/unit/auth/remote_fixture.h"

namespace poplar::auth {
namespace {

class RemotePrincipalTest : public RemoteTest {};

TEST_F(RemotePrincipalTest, WhoseADisabledNameIsIsKnownWhereItIsTold) {
  StartTrouble();
  for (const char* name : {"offstored@acme.example", "ok@closed.example"}) {
    const ResolveResult told = Resolve(kFirst, name);
    EXPECT_EQ(told.outcome, ResolveOutcome::kDisabled) << name;
    EXPECT_EQ(told.principal.tenant, TenantId(1));
    EXPECT_EQ(told.principal.account, std::string("of ") + name);
  }
  const ResolveResult not_told = Resolve(kFirst, "off@acme.example");
  EXPECT_EQ(not_told.outcome, ResolveOutcome::kDisabled);
  EXPECT_EQ(not_told.principal.account, "");
}

TEST_F(RemotePrincipalTest, ATenantsBackEndNamesNobodyElses) {
  StartTrouble();
  EXPECT_EQ(Login(kFirst, "alias@acme.example", "secret").principal.address, "Real@acme.example");
  EXPECT_EQ(Login(kFirst, "foreign@acme.example", "secret").principal.address,
            "foreign@acme.example");
  EXPECT_EQ(Resolve(kFirst, "foreign@other.example").principal.address, "ok@other.example");
}

}  // namespace
}  // namespace poplar::auth
