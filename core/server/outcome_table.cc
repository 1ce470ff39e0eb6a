#include "core/server/outcome_table.h"

#include "core/base/check.h"

namespace poplar::server {

pop3::LoginOutcome ToPop3(auth::Outcome outcome) {
  switch (outcome) {
    case auth::Outcome::kOk:
      return pop3::LoginOutcome::kOk;
    case auth::Outcome::kRefused:
      return pop3::LoginOutcome::kBadCredentials;
    case auth::Outcome::kDisabled:
      return pop3::LoginOutcome::kDisabled;
    case auth::Outcome::kThrottled:
      return pop3::LoginOutcome::kThrottled;
    case auth::Outcome::kTemporary:
      return pop3::LoginOutcome::kTemporary;
    case auth::Outcome::kUnsupported:
      return pop3::LoginOutcome::kMechanismOff;
  }
  return pop3::LoginOutcome::kTemporary;
}

pop3::LoginOutcome ToPop3(AdmissionVerdict verdict) {
  switch (verdict) {
    case AdmissionVerdict::kAdmitted:
      return pop3::LoginOutcome::kOk;
    case AdmissionVerdict::kPop3Off:
    case AdmissionVerdict::kUserPop3Off:
      return pop3::LoginOutcome::kDisabled;
    case AdmissionVerdict::kTlsRequired:
    case AdmissionVerdict::kTls13Required:
      return pop3::LoginOutcome::kTlsRequired;
    case AdmissionVerdict::kMechanismOff:
      return pop3::LoginOutcome::kMechanismOff;
    case AdmissionVerdict::kTooManySessions:
    case AdmissionVerdict::kTooManyFromThisAddress:
    case AdmissionVerdict::kTooManyLogins:
      return pop3::LoginOutcome::kLimited;
    case AdmissionVerdict::kTooManyRecent:
      return pop3::LoginOutcome::kInUse;
    case AdmissionVerdict::kTooSoon:
      return pop3::LoginOutcome::kTooSoon;
  }
  return pop3::LoginOutcome::kTemporary;
}

auth::Outcome ToAuth(auth::ResolveOutcome outcome) {
  switch (outcome) {
    case auth::ResolveOutcome::kFound:
      return auth::Outcome::kOk;
    case auth::ResolveOutcome::kUnknown:
      return auth::Outcome::kRefused;
    case auth::ResolveOutcome::kDisabled:
      return auth::Outcome::kDisabled;
    case auth::ResolveOutcome::kTemporary:
      return auth::Outcome::kTemporary;
  }
  return auth::Outcome::kTemporary;
}

pop3::LoginOutcome ToPop3(storage::OpenOutcome outcome) {
  switch (outcome) {
    case storage::OpenOutcome::kOpen:
      return pop3::LoginOutcome::kOk;
    case storage::OpenOutcome::kInUse:
      return pop3::LoginOutcome::kInUse;
    case storage::OpenOutcome::kTemporary:
      return pop3::LoginOutcome::kTemporary;
    case storage::OpenOutcome::kDamaged:
      return pop3::LoginOutcome::kPermanent;
  }
  return pop3::LoginOutcome::kTemporary;
}

pop3::CommitOutcome ToPop3(storage::CommitOutcome outcome) {
  switch (outcome) {
    case storage::CommitOutcome::kDone:
      return pop3::CommitOutcome::kDone;
    case storage::CommitOutcome::kRefused:
      return pop3::CommitOutcome::kRefused;
    case storage::CommitOutcome::kFailed:
      return pop3::CommitOutcome::kFailed;
    case storage::CommitOutcome::kUnknown:
      return pop3::CommitOutcome::kUnknown;
  }
  return pop3::CommitOutcome::kUnknown;
}

pop3::BodyFailure ToPop3(const Status& body_status) {
  POP_CHECK(!body_status.ok());
  switch (body_status.code()) {
    case StatusCode::kNotFound:
      return pop3::BodyFailure::kGone;
    case StatusCode::kDataLoss:
      return pop3::BodyFailure::kPermanent;
    default:
      return pop3::BodyFailure::kTemporary;
  }
}

lmtp::RecipientOutcome ToLmtp(auth::ResolveOutcome outcome) {
  switch (outcome) {
    case auth::ResolveOutcome::kFound:
      return lmtp::RecipientOutcome::kOk;
    case auth::ResolveOutcome::kUnknown:
      return lmtp::RecipientOutcome::kUnknown;
    case auth::ResolveOutcome::kDisabled:
      return lmtp::RecipientOutcome::kDisabled;
    case auth::ResolveOutcome::kTemporary:
      return lmtp::RecipientOutcome::kDirectoryDown;
  }
  return lmtp::RecipientOutcome::kDirectoryDown;
}

lmtp::RecipientOutcome ToLmtp(const StatusOr<storage::Room>& room) {
  if (!room.ok()) return lmtp::RecipientOutcome::kTemporary;
  switch (*room) {
    case storage::Room::kEnough:
      return lmtp::RecipientOutcome::kOk;
    case storage::Room::kOverQuota:
      return lmtp::RecipientOutcome::kOverQuota;
    case storage::Room::kOverTenantQuota:
      return lmtp::RecipientOutcome::kOverTenantQuota;
  }
  return lmtp::RecipientOutcome::kTemporary;
}

lmtp::DeliveryOutcome ToLmtp(storage::DeliveryOutcome outcome) {
  switch (outcome) {
    case storage::DeliveryOutcome::kStored:
      return lmtp::DeliveryOutcome::kStored;
    case storage::DeliveryOutcome::kAlreadyThere:
      return lmtp::DeliveryOutcome::kAlreadyThere;
    case storage::DeliveryOutcome::kOverQuota:
      return lmtp::DeliveryOutcome::kOverQuota;
    case storage::DeliveryOutcome::kOverTenantQuota:
      return lmtp::DeliveryOutcome::kOverTenantQuota;
    case storage::DeliveryOutcome::kTooMany:
      return lmtp::DeliveryOutcome::kTooMany;
    case storage::DeliveryOutcome::kFull:
      return lmtp::DeliveryOutcome::kFull;
    case storage::DeliveryOutcome::kTemporary:
      return lmtp::DeliveryOutcome::kTemporary;
  }
  return lmtp::DeliveryOutcome::kTemporary;
}

lmtp::StorageFailure ToLmtp(const Status& write_status) {
  POP_CHECK(!write_status.ok());
  return write_status.code() == StatusCode::kResourceExhausted ? lmtp::StorageFailure::kFull
                                                               : lmtp::StorageFailure::kTemporary;
}

}  // namespace poplar::server
