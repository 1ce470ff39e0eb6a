#include "core/server/admission.h"

#include <gtest/gtest.h>

#include <memory>

#include "core/base/units.h"

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

  // Of tenant 1.
  uint64_t Refused(TenantLimit limit) const {
    return board_.Current()->GateOf(TenantId(1))->refused[static_cast<size_t>(limit)];
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
  EXPECT_EQ(Enter(other, User(1, "a"), 1, TransportGrade::kTls12), Verdict::kTls13Required);
  EXPECT_EQ(Enter(other, User(1, "a"), 1, TransportGrade::kTls13), Verdict::kAdmitted);
  EXPECT_EQ(Refused(TenantLimit::kTls), 1U);
  EXPECT_EQ(Refused(TenantLimit::kTls13), 1U);
}

TEST_F(AdmissionTest, ATenantMayAllowSomeMechanismsOnly) {
  Publish({.sessions_max = 1, .mechanisms = *LoginMechanisms::Parse("PLAIN,APOP")});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kMechanismOff);
  mechanism_ = "OAUTHBEARER";
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kMechanismOff);
  EXPECT_EQ(Refused(TenantLimit::kMechanisms), 2U);
  EXPECT_EQ(board_.Current()->GateOf(TenantId(1))->sessions, 0U);
  mechanism_ = "APOP";
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kAdmitted);
  mechanism_ = "USER";
  Admission other(door_);
  EXPECT_EQ(Enter(other, User(2, "a")), Verdict::kAdmitted);
}

TEST_F(AdmissionTest, ASessionKeepsWhatItBeganWith) {
  Publish({.login_delay_s = 60, .idle_timeout_s = 7});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kAdmitted);
  Publish({});
  EXPECT_EQ(admission.terms().login_delay_s, 60U);
  EXPECT_EQ(admission.terms().idle_timeout_s, 7U);
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
  EXPECT_EQ(Refused(TenantLimit::kSessions), 1U);
  EXPECT_EQ(Refused(TenantLimit::kSessionsPerAddress), 0U);
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
  EXPECT_EQ(Enter(same, User(1, "b"), 1), Verdict::kTooManyFromThisAddress);
  EXPECT_EQ(Enter(elsewhere, User(1, "b"), 2), Verdict::kAdmitted);
  EXPECT_EQ(Enter(other_tenant, User(2, "b"), 1), Verdict::kAdmitted);
  EXPECT_EQ(board_.Current()->GateOf(TenantId(1))->sessions, 2U);
  EXPECT_EQ(Refused(TenantLimit::kSessionsPerAddress), 1U);
  EXPECT_EQ(Refused(TenantLimit::kSessions), 0U);
  first.Leave();
  EXPECT_EQ(Enter(same, User(1, "b"), 1), Verdict::kAdmitted);
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
  EXPECT_EQ(Refused(TenantLimit::kLogins), 70U);
}

TEST_F(AdmissionTest, TheDelayCountsFromTheLastLoginThatOpenedTheMaildrop) {
  Publish({.login_delay_s = 60});
  Admission first(door_), second(door_), third(door_), other(door_);
  EXPECT_EQ(Enter(first, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(second, User(1, "a"), 1, TransportGrade::kTls13, kSecondUs), Verdict::kAdmitted);
  first.LoggedIn(kSecondUs);
  EXPECT_EQ(Enter(third, User(1, "a"), 1, TransportGrade::kTls13, 60 * kSecondUs),
            Verdict::kTooSoon);
  EXPECT_EQ(Refused(TenantLimit::kLoginDelay), 1U);
  EXPECT_EQ(Enter(other, User(1, "b"), 1, TransportGrade::kTls13, 60 * kSecondUs),
            Verdict::kAdmitted);
  EXPECT_EQ(Enter(third, User(1, "a"), 1, TransportGrade::kTls13, 61 * kSecondUs),
            Verdict::kAdmitted);
}

TEST_F(AdmissionTest, EgressBeyondTheRateWaits) {
  Publish({.egress_kib_per_s = 1024});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(admission.EgressWaitMs(0), 0U);
  admission.CountOctetsOut(kMiB, 0);
  EXPECT_EQ(admission.EgressWaitMs(0), 0U);  // A second's worth at once.
  admission.CountOctetsOut(2 * kMiB, 0);
  EXPECT_EQ(admission.EgressWaitMs(0), 2'000U);
  EXPECT_EQ(admission.EgressWaitMs(kSecondUs), 1'000U);
  admission.CountOctetsOut(kMiB, 10 * kSecondUs);
  EXPECT_EQ(admission.EgressWaitMs(10 * kSecondUs), 0U);
}

TEST_F(AdmissionTest, EgressIsThatOfAllSessionsOfTheTenant) {
  Publish({.egress_kib_per_s = 1024});
  Admission first(door_), beside(door_), after(door_), other(door_);
  EXPECT_EQ(Enter(first, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(beside, User(1, "b")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(other, User(2, "c")), Verdict::kAdmitted);
  first.CountOctetsOut(3 * kMiB, 0);
  EXPECT_EQ(beside.EgressWaitMs(0), 2'000U);
  EXPECT_EQ(other.EgressWaitMs(0), 0U);
  first.Leave();
  EXPECT_EQ(Enter(after, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(after.EgressWaitMs(kSecondUs), 1'000U);
}

TEST_F(AdmissionTest, WhoWaitForEgressGoOnOneAfterAnother) {
  Publish({.egress_kib_per_s = 1024});
  Admission first(door_), second(door_), third(door_), newcomer(door_);
  EXPECT_EQ(Enter(first, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(second, User(1, "b")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(third, User(1, "c")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(newcomer, User(1, "d")), Verdict::kAdmitted);
  EXPECT_EQ(first.QueueForEgress(32 * kKiB, 0), 0U);  // Nobody waits: nobody is behind it.
  first.CountOctetsOut(3 * kMiB, 0);
  EXPECT_EQ(first.QueueForEgress(32 * kKiB, 0), 2'000U);
  EXPECT_EQ(second.QueueForEgress(16 * kMiB, 0), 2'031U);
  // Of a large message only the begin is waited for: what its client does not take hinders nobody.
  EXPECT_EQ(third.QueueForEgress(1, 0), 2'093U);
  // Nor does anybody overtake them who comes when there is some again.
  EXPECT_EQ(newcomer.QueueForEgress(1, 2 * kSecondUs), 93U);
  EXPECT_EQ(newcomer.EgressWaitMs(3 * kSecondUs), 0U);
}

TEST_F(AdmissionTest, NobodyWaitsForWhoHasLeftTheQueue) {
  Publish({.egress_kib_per_s = 1024});
  Admission first(door_), second(door_), newcomer(door_);
  EXPECT_EQ(Enter(first, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(second, User(1, "b")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(newcomer, User(1, "c")), Verdict::kAdmitted);
  first.LeaveEgressQueue();  // It has no place.
  first.CountOctetsOut(3 * kMiB, 0);
  EXPECT_EQ(first.QueueForEgress(64 * kKiB, 0), 2'000U);
  EXPECT_EQ(second.QueueForEgress(32 * kKiB, 0), 2'062U);
  for (int times = 0; times < 2; ++times) {
    first.LeaveEgressQueue();  // Once is enough.
    EXPECT_EQ(newcomer.EgressWaitMs(0), 2'031U) << "the second one's message";
  }
  second.LeaveEgressQueue();
  EXPECT_EQ(newcomer.QueueForEgress(64 * kKiB, 0), 2'000U);
}

TEST_F(AdmissionTest, APlaceUnderAnotherRateIsNotGivenBack) {
  Publish({.egress_kib_per_s = 1});
  Admission first(door_), second(door_);
  EXPECT_EQ(Enter(first, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(second, User(1, "b")), Verdict::kAdmitted);
  first.CountOctetsOut(kMiB, 0);
  EXPECT_EQ(first.QueueForEgress(64 * kKiB, 0), 1'023'000U);
  Publish({.egress_kib_per_s = 1024});
  second.CountOctetsOut(3 * kMiB, 0);
  EXPECT_EQ(second.QueueForEgress(64 * kKiB, 0), 2'000U);
  first.LeaveEgressQueue();
  EXPECT_EQ(second.EgressWaitMs(0), 2'062U);
}

TEST_F(AdmissionTest, AnotherRateOfEgressHoldsForSessionsThatAreThere) {
  Publish({.egress_kib_per_s = 1});
  Admission admission(door_);
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kAdmitted);
  admission.CountOctetsOut(kMiB, 0);
  EXPECT_EQ(admission.EgressWaitMs(0), 1'023'000U);
  Publish({.login_delay_s = 60, .egress_kib_per_s = 1});
  EXPECT_EQ(admission.EgressWaitMs(0), 1'023'000U);
  EXPECT_EQ(admission.QueueForEgress(kMiB, 0), 1'023'000U);
  Publish({.egress_kib_per_s = 1024});
  EXPECT_EQ(admission.EgressWaitMs(0), 0U);
  admission.CountOctetsOut(3 * kMiB, 0);
  EXPECT_EQ(admission.EgressWaitMs(0), 2'000U);
  Publish({});
  EXPECT_EQ(admission.EgressWaitMs(0), 0U);
  admission.CountOctetsOut(kMiB, 0);
  EXPECT_EQ(admission.EgressWaitMs(0), 0U);
}

TEST_F(AdmissionTest, WhatGoesOutIsInTheTotalsAtOnce) {
  Publish({});
  Admission admission(door_), of_nobody(door_);
  admission.CountOctetsOut(1, 0);  // Nobody is in.
  EXPECT_EQ(Enter(admission, User(1, "a")), Verdict::kAdmitted);
  EXPECT_EQ(Enter(of_nobody, User(3, "a")), Verdict::kAdmitted);  // Of a tenant that is not listed.
  const std::shared_ptr<TenantGate> gate = board_.Current()->GateOf(TenantId(1));
  for (Admission* const each : {&admission, &of_nobody}) {
    each->CountOctetsOut(5000, 0);
    each->CountMessageOut();
    each->CountOctetsOut(70, 0);
  }
  EXPECT_EQ(gate->usage.octets_out, 5070U);
  EXPECT_EQ(gate->usage.messages_out, 1U);
}

TEST_F(AdmissionTest, SessionsForRecentMailAreBoundedForEachAccount) {
  Publish({.sessions_max = 4});
  const auth::Principal user = User(1, "a"), colleague = User(1, "b"), namesake = User(2, "a");
  const auto enter_recent = [&](Admission& admission, const auth::Principal& principal) {
    return admission.Enter(*board_.Current(), {.principal = &principal,
                                               .peer = Peer(1),
                                               .transport = TransportGrade::kTls13,
                                               .mechanism = mechanism_,
                                               .now_us = 0,
                                               .recent_sessions_max = 2});
  };
  Admission first(door_), second(door_), third(door_), whole(door_), other(door_), others(door_);
  EXPECT_EQ(enter_recent(first, user), Verdict::kAdmitted);
  EXPECT_EQ(enter_recent(second, user), Verdict::kAdmitted);
  EXPECT_EQ(enter_recent(third, user), Verdict::kTooManyRecent);
  EXPECT_EQ(board_.Current()->GateOf(TenantId(1))->sessions, 2U);
  EXPECT_EQ(Enter(whole, user), Verdict::kAdmitted);
  EXPECT_EQ(enter_recent(other, colleague), Verdict::kAdmitted);
  EXPECT_EQ(enter_recent(others, namesake), Verdict::kAdmitted);
  first.Leave();
  EXPECT_EQ(enter_recent(third, user), Verdict::kAdmitted);
  // Who is refused for another reason leaves none behind.
  second.Leave();
  other.Leave();
  Publish({.sessions_max = 1});
  EXPECT_EQ(enter_recent(second, user), Verdict::kTooManySessions);
  Publish({});
  EXPECT_EQ(enter_recent(second, user), Verdict::kAdmitted);
  EXPECT_EQ(enter_recent(first, user), Verdict::kTooManyRecent);
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
