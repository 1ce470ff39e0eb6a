#include "core/server/admission.h"

#include <gtest/gtest.h>

#include <memory>

namespace poplar::server {
namespace {

using Verdict = AdmissionVerdict;

constexpr uint64_t kSecondUs = 1'000'000;

class AdmissionTest : public testing::Test {
 protected:
  // What the tenants' rules are from now on; of tenant 1, and 2 has none.
  void Publish(const TenantRules& rules) {
    auto policies = std::make_shared<TenantPolicies>();
    policies->by_tenant[1].rules = rules;
    policies->by_tenant[2] = {};
    board_.Publish(std::move(policies));
  }

  static auth::Principal User(uint64_t tenant, const std::string& account) {
    return {.tenant = TenantId(tenant), .account = account, .address = {}, .tenant_name = {}};
  }
  static net::Address Peer(uint8_t last) {
    net::Address address;
    address.family = net::Address::Family::kIpv4;
    address.ip[3] = last;
    return address;
  }

  Verdict Enter(Admission& admission, const auth::Principal& principal, uint8_t peer = 1,
                TransportGrade grade = TransportGrade::kTls13, uint64_t now_us = 0) {
    const std::shared_ptr<const TenantPolicies> policies = board_.Current();
    return admission.Enter(*policies, {.principal = &principal,
                                       .peer = Peer(peer),
                                       .transport = grade,
                                       .mechanism = mechanism_,
                                       .now_us = now_us});
  }

  std::string_view mechanism_ = "USER";
  PolicyBoard board_;
  Door door_;
};

TEST_F(AdmissionTest, WithoutRulesEverybodyIsAdmitted) {
  Publish({});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a"), 1, TransportGrade::kClear), Verdict::kAdmitted);
  EXPECT_EQ(board_.Current()->GateOf(TenantId(1))->sessions, 1U);
  admission.Leave();
  EXPECT_EQ(board_.Current()->GateOf(TenantId(1))->sessions, 0U);
}

TEST_F(AdmissionTest, Pop3OffKeepsAllOut) {
  Publish({.pop3 = false});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kPop3Off);
  EXPECT_EQ(Enter(admission, User(2, "a")), Verdict::kAdmitted);
}

TEST_F(AdmissionTest, AUserWithoutPop3IsKeptOutAlone) {
  Publish({.sessions_max = 1});
  auth::Principal user = User(1, "a");
  user.pop3 = false;
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, user), Verdict::kUserPop3Off);
  EXPECT_EQ(Reason(Verdict::kUserPop3Off), "the user has no POP3");
  EXPECT_EQ(board_.Current()->GateOf(TenantId(1))->sessions, 0U);
  EXPECT_EQ(Enter(admission, User(1, "b")), Verdict::kAdmitted);
}

TEST_F(AdmissionTest, TlsIsRequiredByVersion) {
  Publish({.require_tls = true});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a"), 1, TransportGrade::kClear), Verdict::kTlsRequired);
  EXPECT_EQ(Enter(admission, User(1, "a"), 1, TransportGrade::kTls12), Verdict::kAdmitted);
  Publish({.require_tls13 = true});
  Admission other(door_);
  EXPECT_EQ(Enter(other, User(1, "a"), 1, TransportGrade::kTls12), Verdict::kTlsRequired);
  EXPECT_EQ(Enter(other, User(1, "a"), 1, TransportGrade::kTls13), Verdict::kAdmitted);
}

TEST_F(AdmissionTest, ATenantMayAllowSomeMechanismsOnly) {
  Publish({.sessions_max = 1, .mechanisms = *LoginMechanisms::Parse("PLAIN,APOP")});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kMechanismOff);
  mechanism_ = "OAUTHBEARER";
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kMechanismOff);
  EXPECT_EQ(board_.Current()->GateOf(TenantId(1))->sessions, 0U);
  mechanism_ = "APOP";
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kAdmitted);
  mechanism_ = "USER";
  Admission other(door_);
  EXPECT_EQ(Enter(other, User(2, "a")), Verdict::kAdmitted);
}

TEST_F(AdmissionTest, ASessionKeepsWhatItBeganWith) {
  Publish({.login_delay_s = 60, .idle_timeout_s = 7, .egress_kib_per_s = 1024});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kAdmitted);
  Publish({});
  EXPECT_EQ(admission.terms().login_delay_s, 60U);
  EXPECT_EQ(admission.terms().idle_timeout_s, 7U);
  EXPECT_EQ(admission.ChargeEgress(3 * 1024 * 1024, 0), 2'000U);
}

TEST_F(AdmissionTest, SessionsCountUntilTheyEnd) {
  Publish({.sessions_max = 2});
  Admission first(door_), second(door_), third(door_), other(door_);
  EXPECT_EQ(Enter(first, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(second, User(1, "b")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(third, User(1, "c")), Verdict::kTooManySessions);
  EXPECT_EQ(Enter(other, User(2, "c")), Verdict::kAdmitted);
  first.Leave();
  EXPECT_EQ(Enter(third, User(1, "c")), Verdict::kAdmitted);
  EXPECT_EQ(board_.Current()->GateOf(TenantId(1))->refused_sessions, 1U);
}

TEST_F(AdmissionTest, WhatIsPublishedAnewKeepsCounting) {
  Publish({.sessions_max = 1});
  Admission first(door_), second(door_);
  EXPECT_EQ(Enter(first, User(1, "a")), Verdict::kAdmitted);
  Publish({.login_delay_s = 1, .sessions_max = 1});
  EXPECT_EQ(Enter(second, User(1, "b")), Verdict::kTooManySessions);
}

TEST_F(AdmissionTest, SessionsOfAnAddressCountForEachTenant) {
  Publish({.sessions_per_address_max = 1});
  Admission first(door_), same(door_), elsewhere(door_), other_tenant(door_);
  EXPECT_EQ(Enter(first, User(1, "a"), 1), Verdict::kAdmitted);
  EXPECT_EQ(Enter(same, User(1, "b"), 1), Verdict::kTooManySessions);
  EXPECT_EQ(Enter(elsewhere, User(1, "b"), 2), Verdict::kAdmitted);
  EXPECT_EQ(Enter(other_tenant, User(2, "b"), 1), Verdict::kAdmitted);
  EXPECT_EQ(board_.Current()->GateOf(TenantId(1))->sessions, 2U);
}

TEST_F(AdmissionTest, LoginsAMinuteHaveABurstOfTenSeconds) {
  Publish({.logins_per_minute = 60});
  int admitted = 0;
  for (int i = 0; i < 20; ++i) {
    Admission admission(door_);
    if (Enter(admission, User(1, "a")) == Verdict::kAdmitted) ++admitted;
  }
  EXPECT_EQ(admitted, 10);
  // Then one a second.
  for (uint64_t second = 1; second <= 60; ++second) {
    Admission admission(door_), next(door_);
    EXPECT_EQ(Enter(admission, User(1, "a"), 1, TransportGrade::kTls13, second * kSecondUs),
              Verdict::kAdmitted);
    EXPECT_EQ(Enter(next, User(1, "a"), 1, TransportGrade::kTls13, second * kSecondUs),
              Verdict::kTooManyLogins);
  }
}

TEST_F(AdmissionTest, TheDelayCountsFromTheLastLoginThatOpenedTheMaildrop) {
  Publish({.login_delay_s = 60});
  Admission first(door_), second(door_), third(door_), other(door_);
  EXPECT_EQ(Enter(first, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(second, User(1, "a"), 1, TransportGrade::kTls13, kSecondUs), Verdict::kAdmitted);
  first.LoggedIn(kSecondUs);
  EXPECT_EQ(Enter(third, User(1, "a"), 1, TransportGrade::kTls13, 60 * kSecondUs),
            Verdict::kTooSoon);
  EXPECT_EQ(Enter(other, User(1, "b"), 1, TransportGrade::kTls13, 60 * kSecondUs),
            Verdict::kAdmitted);
  EXPECT_EQ(Enter(third, User(1, "a"), 1, TransportGrade::kTls13, 61 * kSecondUs),
            Verdict::kAdmitted);
}

TEST_F(AdmissionTest, EgressBeyondTheRateWaits) {
  Publish({.egress_kib_per_s = 1024});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(admission.ChargeEgress(1024 * 1024, 0), 0U);  // A second's worth at once.
  EXPECT_EQ(admission.ChargeEgress(2 * 1024 * 1024, 0), 2'000U);
  EXPECT_EQ(admission.ChargeEgress(1024 * 1024, 10 * kSecondUs), 0U);
}

TEST(Admission, AGradeForEachVersionThatAProxyNames) {
  EXPECT_EQ(GradeOf("TLSv1.3"), TransportGrade::kTls13);
  EXPECT_EQ(GradeOf("TLSv1.2"), TransportGrade::kTls12);
  EXPECT_EQ(GradeOf(""), TransportGrade::kTls12);
  for (const char* const old : {"TLSv1.1", "TLSv1", "SSLv3", "tlsv1.3", "?"}) {
    EXPECT_EQ(GradeOf(old), TransportGrade::kClear) << old;
  }
}

}  // namespace
}  // namespace poplar::server
