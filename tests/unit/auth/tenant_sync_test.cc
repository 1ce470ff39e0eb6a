#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/users/user_database.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

class TenantSyncTest : public testing::Test {
 protected:
  static TenantSpec Spec(const std::string& name, std::vector<std::string> domains) {
    TenantSpec spec;
    spec.name = name;
    spec.source = "tenants.d/" + name + ".toml";
    spec.domains = std::move(domains);
    return spec;
  }

  std::vector<std::string> Sync(const std::vector<TenantSpec>& specs,
                                const std::set<std::string>& untouched = {}) {
    const auto faults = users_->SyncTenants("tenants.d/", specs, untouched, {"backend.sql/"});
    EXPECT_TRUE(faults.ok()) << faults.status().ToString();
    if (!faults.ok()) return {"failed"};
    std::vector<std::string> texts;
    for (const TenantFault& fault : *faults) texts.push_back(fault.ToString());
    return texts;
  }
  TenantRecord Find(const std::string& name) {
    const auto found = users_->FindTenant(name);
    EXPECT_TRUE(found.ok()) << found.status().ToString();
    return found.ok() ? *found : TenantRecord();
  }

  TempDir directory_;
  std::unique_ptr<UserDatabase> users_ = *UserDatabase::Create(directory_.File("users.db"));
};

TEST_F(TenantSyncTest, TenantsAppearAndChange) {
  TenantSpec acme = Spec("acme", {"acme.example", "Acme.Test"});
  acme.policy.keep_deleted_days = 7;
  acme.policy.rules.sessions_max = 10;
  acme.maildrop_quota.octets = 1000;
  EXPECT_THAT(Sync({acme}), IsEmpty());
  const TenantRecord made = Find("acme");
  EXPECT_THAT(made.domains, ElementsAre("acme.example", "acme.test"));
  EXPECT_EQ(made.source, "tenants.d/acme.toml");
  EXPECT_EQ(made.policy.keep_deleted_days, 7U);
  EXPECT_EQ(made.policy.rules.sessions_max, 10U);
  EXPECT_EQ(made.maildrop_quota.octets, 1000U);

  acme.domains = {"acme.example", "acme.net"};
  acme.policy.rules.sessions_max = 0;
  acme.enabled = false;
  EXPECT_THAT(Sync({acme}), IsEmpty());
  const TenantRecord changed = Find("acme");
  EXPECT_EQ(changed.id, made.id);
  EXPECT_THAT(changed.domains, ElementsAre("acme.example", "acme.net"));
  EXPECT_EQ(changed.policy.rules, TenantRules());
  EXPECT_FALSE(changed.enabled);
}

TEST_F(TenantSyncTest, OneThatIsGoneIsDisabledAndComesBackAsItself) {
  const TenantSpec acme = Spec("acme", {"acme.example", "acme.test"});
  EXPECT_THAT(Sync({acme}), IsEmpty());
  const TenantId id = Find("acme").id;
  ASSERT_TRUE(users_->AddUser("alice@acme.example", "").ok());
  EXPECT_THAT(Sync({Spec("other", {"other.example"})}), IsEmpty());
  EXPECT_FALSE(Find("acme").enabled);
  EXPECT_THAT(Find("acme").domains, ElementsAre("acme.example"));  // Alice has it.
  EXPECT_EQ(users_->FindUser("alice@acme.example")->tenant_enabled, false);
  EXPECT_THAT(Sync({acme, Spec("other", {"other.example"})}), IsEmpty());
  EXPECT_EQ(Find("acme").id, id);
  EXPECT_TRUE(Find("acme").enabled);
  EXPECT_TRUE(users_->FindUser("alice@acme.example")->tenant_enabled);
}

TEST_F(TenantSyncTest, ADomainGoesFromOneToAnother) {
  EXPECT_THAT(Sync({Spec("a", {"a.example", "shared.example"}), Spec("b", {"b.example"})}),
              IsEmpty());
  EXPECT_THAT(Sync({Spec("a", {"a.example"}), Spec("b", {"b.example", "shared.example"})}),
              IsEmpty());
  EXPECT_THAT(Find("b").domains, ElementsAre("b.example", "shared.example"));
  // Also from one that is gone.
  EXPECT_THAT(Sync({Spec("a", {"a.example", "b.example"})}), IsEmpty());
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example", "b.example"));
}

TEST_F(TenantSyncTest, WhatIsWrongWithOneHarmsNoOther) {
  ASSERT_TRUE(users_->AddTenant("made", std::vector<std::string>{"made.example"}).ok());
  EXPECT_THAT(
      Sync({Spec("a", {"a.example"}), Spec("b", {"b.example", "made.example"}), Spec("made", {}),
            Spec("no name", {"x.example"}), Spec("c", {"no domain!"}), Spec("d", {"d.example"})}),
      ElementsAre(HasSubstr("tenants.d/b.toml: the domain made.example belongs to"),
                  HasSubstr("tenants.d/made.toml: `poplar tenant` has made"),
                  HasSubstr("tenants.d/no name.toml: a tenant's name"),
                  HasSubstr("tenants.d/c.toml: that is no domain")));
  EXPECT_TRUE(users_->FindTenant("a").ok());
  EXPECT_TRUE(users_->FindTenant("d").ok());
  EXPECT_FALSE(users_->FindTenant("b").ok());
  EXPECT_FALSE(users_->FindTenant("c").ok());
  EXPECT_EQ(Find("made").source, "");
}

TEST_F(TenantSyncTest, WhoCannotHaveWhatIsSaidKeepsWhatHeHad) {
  EXPECT_THAT(Sync({Spec("a", {"a.example", "a.test"}), Spec("b", {"b.example"})}), IsEmpty());
  TenantSpec wrong = Spec("a", {"b.example"});
  wrong.policy.rules.sessions_max = 7;
  EXPECT_THAT(Sync({wrong, Spec("b", {"b.example"})}), ElementsAre(HasSubstr("belongs to")));
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example", "a.test"));
  EXPECT_EQ(Find("a").policy.rules.sessions_max, 0U);
  EXPECT_TRUE(Find("a").enabled);
  EXPECT_THAT(Sync({Spec("a", {"no domain!"}), Spec("b", {"b.example"})}),
              ElementsAre(HasSubstr("that is no domain")));
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example", "a.test"));
  // Another may have it all the same.
  EXPECT_THAT(Sync({wrong, Spec("b", {"b.example", "a.test"})}),
              ElementsAre(HasSubstr("belongs to")));
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example"));
  EXPECT_THAT(Find("b").domains, ElementsAre("a.test", "b.example"));
}

TEST_F(TenantSyncTest, JudgingChangesNothing) {
  EXPECT_THAT(Sync({Spec("a", {"a.example"}), Spec("b", {"b.example"})}), IsEmpty());
  const auto watch = *UserDatabase::Open(directory_.File("users.db"));
  const std::vector<TenantSpec> next = {Spec("a", {"b.example"}), Spec("c", {"a.example"}),
                                        Spec("no name", {"x.example"})};
  const auto faults = users_->SyncTenants("tenants.d/", next, {}, {}, TenantSync::kJudge);
  ASSERT_TRUE(faults.ok()) << faults.status();
  ASSERT_EQ(faults->size(), 1U);
  EXPECT_EQ(faults->front().source, "tenants.d/no name.toml");
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example"));
  EXPECT_TRUE(Find("b").enabled);
  EXPECT_FALSE(users_->FindTenant("c").ok());
  EXPECT_THAT(watch->TakeChanges()->tenants, IsEmpty());
}

TEST_F(TenantSyncTest, WhatIsAsItShouldBeChangesNothing) {
  EXPECT_THAT(Sync({Spec("a", {"a.example", "A.Example", "a.test"})}), IsEmpty());
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example", "a.test"));
  ASSERT_TRUE(users_->AddUser("alice@a.test", "").ok());
  const auto watch = *UserDatabase::Open(directory_.File("users.db"));
  // Alice keeps one of them there, however often it is asked for without it.
  for (int i = 0; i < 2; ++i) EXPECT_THAT(Sync({Spec("a", {"a.example"})}), IsEmpty());
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example", "a.test"));
  EXPECT_THAT(watch->TakeChanges()->tenants, IsEmpty());
}

TEST_F(TenantSyncTest, WhatCannotBeReadStaysAsItIs) {
  EXPECT_THAT(Sync({Spec("a", {"a.example"}), Spec("b", {"b.example"})}), IsEmpty());
  EXPECT_THAT(Sync({Spec("a", {"a.example"})}, {"tenants.d/b.toml"}), IsEmpty());
  EXPECT_TRUE(Find("b").enabled);
}

TEST_F(TenantSyncTest, ThoseOfOtherSourcesStayAsTheyAre) {
  ASSERT_TRUE(users_->AddTenant("made", std::vector<std::string>{"made.example"}).ok());
  TenantSpec other = Spec("listed", {"listed.example"});
  other.source = "backend.sql/listed";
  const std::vector<TenantSpec> others = {other};
  ASSERT_TRUE(users_->SyncTenants("backend.sql/", others, {}, {"tenants.d/"}).ok());
  EXPECT_THAT(Sync({Spec("a", {"a.example"})}), IsEmpty());
  EXPECT_TRUE(Find("made").enabled);
  EXPECT_TRUE(Find("listed").enabled);
  // Two that say it say the same things in turns.
  EXPECT_THAT(Sync({Spec("a", {"a.example"}), Spec("listed", {"taken.example"})}),
              ElementsAre(HasSubstr("backend.sql/listed says already what tenant listed is")));
  EXPECT_THAT(Find("listed").domains, ElementsAre("listed.example"));
  EXPECT_EQ(Find("listed").source, "backend.sql/listed");
}

TEST_F(TenantSyncTest, WhomOneSourceNoLongerNamesAnotherMayTake) {
  EXPECT_THAT(Sync({Spec("a", {"a.example"}), Spec("moves", {"moves.example"})}), IsEmpty());
  const TenantId id = Find("moves").id;
  EXPECT_THAT(Sync({Spec("a", {"a.example"})}), IsEmpty());
  TenantSpec moved = Spec("moves", {"moves.example"});
  moved.source = "backend.sql/moves";
  const std::vector<TenantSpec> others = {moved};
  EXPECT_THAT(*users_->SyncTenants("backend.sql/", others, {}, {"tenants.d/"}), IsEmpty());
  EXPECT_EQ(Find("moves").id, id);
  EXPECT_TRUE(Find("moves").enabled);
  EXPECT_EQ(Find("moves").source, "backend.sql/moves");
}

TEST_F(TenantSyncTest, WhoseSourceThereIsNoMoreAnotherMayTake) {
  EXPECT_THAT(Sync({Spec("a", {"a.example", "a.test"})}), IsEmpty());
  TenantSpec renamed = Spec("a", {"a.example"});
  renamed.source = "customers.d/a.toml";
  renamed.policy.rules.require_tls = true;
  const std::vector<TenantSpec> specs = {renamed};
  EXPECT_THAT(*users_->SyncTenants("customers.d/", specs, {}, {"tenants.d/"}),
              ElementsAre(Field(&TenantFault::reason,
                                HasSubstr("tenants.d/a.toml says already what tenant a is"))));
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example", "a.test"));
  EXPECT_THAT(*users_->SyncTenants("customers.d/", specs, {}, {"backend.sql/"}), IsEmpty());
  EXPECT_EQ(Find("a").source, "customers.d/a.toml");
  EXPECT_TRUE(Find("a").policy.rules.require_tls);
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example"));
}

// A list that is cut short bounces nobody's mail.
TEST_F(TenantSyncTest, HalfOfThemAreNotGoneAtOnce) {
  std::vector<TenantSpec> specs;
  for (int i = 100; i < 124; ++i) {
    const std::string name = "t" + std::to_string(i);
    specs.push_back(Spec(name, {name + ".example"}));
  }
  EXPECT_THAT(Sync(specs), IsEmpty());

  const std::vector<TenantSpec> few(specs.begin(), specs.begin() + 11);
  TenantSpec other = Spec("other", {"other.example"});
  std::vector<TenantSpec> cut = few;
  cut.push_back(other);
  EXPECT_THAT(Sync(cut), ElementsAre(HasSubstr("13 of 24 tenants are gone at once")));
  EXPECT_TRUE(Find("t123").enabled);
  EXPECT_THAT(Find("t123").domains, ElementsAre("t123.example"));
  EXPECT_TRUE(Find("other").enabled);  // What it says of others counts.

  // Those of files that are wrong are not gone.
  std::set<std::string> wrong;
  for (const TenantSpec& spec : specs) wrong.insert(spec.source);
  EXPECT_THAT(Sync(cut, wrong), IsEmpty());

  // Some were meant, and it is not more than half now.
  EXPECT_TRUE(users_->SetTenantEnabled("t111", false).ok());
  EXPECT_THAT(Sync(cut), IsEmpty());
  EXPECT_FALSE(Find("t123").enabled);
  EXPECT_THAT(Find("t111").domains, IsEmpty());

  // A provider of a few has all of them in mind.
  EXPECT_THAT(Sync({other}), ElementsAre(HasSubstr("11 of 12 tenants are gone")));
  EXPECT_THAT(Sync({other, specs[0]}), IsEmpty());
}

TEST_F(TenantSyncTest, AnOperatorHandsOneOver) {
  ASSERT_TRUE(users_->AddTenant("a", std::vector<std::string>{"a.example", "a.test"}).ok());
  const TenantId id = Find("a").id;
  TenantSpec spec = Spec("a", {"a.example"});
  spec.policy.rules.require_tls = true;
  EXPECT_THAT(Sync({spec}), ElementsAre(HasSubstr("has made a tenant of this name already")));
  ASSERT_TRUE(users_->AdoptTenant(spec).ok());
  EXPECT_EQ(Find("a").id, id);
  EXPECT_EQ(Find("a").source, "tenants.d/a.toml");
  EXPECT_TRUE(Find("a").policy.rules.require_tls);
  EXPECT_THAT(Find("a").domains, ElementsAre("a.example"));
  EXPECT_THAT(Sync({spec}), IsEmpty());
  // And back.
  ASSERT_TRUE(users_->SetTenantSource("a", "").ok());
  EXPECT_THAT(Sync({Spec("other", {"other.example"})}), IsEmpty());
  EXPECT_TRUE(Find("a").enabled);
  EXPECT_EQ(users_->AdoptTenant(Spec("nobody", {"b.example"})).code(), StatusCode::kNotFound);
  EXPECT_EQ(users_->SetTenantSource("nobody", "").code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace poplar::auth
