#include "core/server/outcome_table.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace poplar::server {
namespace {

TEST(OutcomeTable, OnlyTheClientsFaultsAreToldAsTheClients) {
  EXPECT_EQ(ToPop3(auth::Outcome::kOk), pop3::LoginOutcome::kOk);
  EXPECT_EQ(ToPop3(auth::Outcome::kRefused), pop3::LoginOutcome::kBadCredentials);
  EXPECT_EQ(ToPop3(auth::Outcome::kDisabled), pop3::LoginOutcome::kDisabled);
  EXPECT_EQ(ToPop3(auth::Outcome::kThrottled), pop3::LoginOutcome::kThrottled);
  EXPECT_EQ(ToPop3(auth::Outcome::kTemporary), pop3::LoginOutcome::kTemporary);
  EXPECT_EQ(ToPop3(auth::Outcome::kUnsupported), pop3::LoginOutcome::kMechanismOff);
}

TEST(OutcomeTable, AMaildropThatDoesNotOpenIsNeverAWrongPassword) {
  EXPECT_EQ(ToPop3(storage::OpenOutcome::kOpen), pop3::LoginOutcome::kOk);
  EXPECT_EQ(ToPop3(storage::OpenOutcome::kInUse), pop3::LoginOutcome::kInUse);
  EXPECT_EQ(ToPop3(storage::OpenOutcome::kTemporary), pop3::LoginOutcome::kTemporary);
  EXPECT_EQ(ToPop3(storage::OpenOutcome::kDamaged), pop3::LoginOutcome::kPermanent);
}

TEST(OutcomeTable, ACommitThatMayHaveHappenedIsNeverToldAsDoneOrAsFailed) {
  EXPECT_EQ(ToPop3(storage::CommitOutcome::kDone), pop3::CommitOutcome::kDone);
  EXPECT_EQ(ToPop3(storage::CommitOutcome::kRefused), pop3::CommitOutcome::kRefused);
  EXPECT_EQ(ToPop3(storage::CommitOutcome::kFailed), pop3::CommitOutcome::kFailed);
  EXPECT_EQ(ToPop3(storage::CommitOutcome::kUnknown), pop3::CommitOutcome::kUnknown);
}

TEST(OutcomeTable, TroubleOfTheStoresIsNeverAFullMailbox) {
  EXPECT_EQ(ToLmtp(StatusOr<storage::Room>(storage::Room::kEnough)), lmtp::RecipientOutcome::kOk);
  EXPECT_EQ(ToLmtp(StatusOr<storage::Room>(storage::Room::kOverQuota)),
            lmtp::RecipientOutcome::kOverQuota);
  EXPECT_EQ(ToLmtp(StatusOr<storage::Room>(storage::Room::kOverTenantQuota)),
            lmtp::RecipientOutcome::kOverTenantQuota);
  const StatusOr<storage::Room> trouble = MakeStatus(StatusCode::kResourceExhausted, "busy");
  EXPECT_EQ(ToLmtp(trouble), lmtp::RecipientOutcome::kTemporary);
}

TEST(OutcomeTable, WhatABodysReaderSaid) {
  EXPECT_EQ(ToPop3(MakeStatus(StatusCode::kNotFound, "gone")), pop3::BodyFailure::kGone);
  EXPECT_EQ(ToPop3(MakeStatus(StatusCode::kDataLoss, "damaged")), pop3::BodyFailure::kPermanent);
  EXPECT_EQ(ToPop3(MakeStatus(StatusCode::kUnavailable, "EIO")), pop3::BodyFailure::kTemporary);
  EXPECT_DEATH(ToPop3(OkStatus()), "");
}

TEST(OutcomeTable, ADirectoryThatIsDownIsNeverAnUnknownRecipient) {
  EXPECT_EQ(ToLmtp(auth::ResolveOutcome::kFound), lmtp::RecipientOutcome::kOk);
  EXPECT_EQ(ToLmtp(auth::ResolveOutcome::kUnknown), lmtp::RecipientOutcome::kUnknown);
  EXPECT_EQ(ToLmtp(auth::ResolveOutcome::kDisabled), lmtp::RecipientOutcome::kDisabled);
  EXPECT_EQ(ToLmtp(auth::ResolveOutcome::kTemporary), lmtp::RecipientOutcome::kDirectoryDown);
}

TEST(OutcomeTable, WhatTheStoreCannotTakeIsTriedAgain) {
  EXPECT_EQ(ToLmtp(storage::DeliveryOutcome::kStored), lmtp::DeliveryOutcome::kStored);
  EXPECT_EQ(ToLmtp(storage::DeliveryOutcome::kAlreadyThere), lmtp::DeliveryOutcome::kAlreadyThere);
  EXPECT_EQ(ToLmtp(storage::DeliveryOutcome::kFull), lmtp::DeliveryOutcome::kFull);
  EXPECT_EQ(ToLmtp(storage::DeliveryOutcome::kTemporary), lmtp::DeliveryOutcome::kTemporary);
  EXPECT_EQ(ToLmtp(MakeStatus(StatusCode::kResourceExhausted, "full")),
            lmtp::StorageFailure::kFull);
  EXPECT_EQ(ToLmtp(MakeStatus(StatusCode::kUnavailable, "EIO")), lmtp::StorageFailure::kTemporary);
}

}  // namespace
}  // namespace poplar::server
