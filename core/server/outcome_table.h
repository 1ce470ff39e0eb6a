// The one place where what the doors answer (auth, storage) becomes what the protocols say. A fault
// of ours is never told as a fault of the client's.

#pragma once

#include "auth/api/auth.h"
#include "core/proto/lmtp/outcomes.h"
#include "core/proto/pop3/outcomes.h"
#include "core/server/admission.h"
#include "storage/api/store.h"

namespace poplar::server {

// Of a login without a password, by whoever may open any maildrop.
auth::Outcome ToAuth(auth::ResolveOutcome outcome);

pop3::LoginOutcome ToPop3(auth::Outcome outcome);
pop3::LoginOutcome ToPop3(storage::OpenOutcome outcome);
pop3::LoginOutcome ToPop3(AdmissionVerdict verdict);
pop3::CommitOutcome ToPop3(storage::CommitOutcome outcome);
// Why a body cannot be sent, from what Body::Verify said.
pop3::BodyFailure ToPop3(const Status& body_status);

lmtp::RecipientOutcome ToLmtp(auth::ResolveOutcome outcome);
// Of a mailbox that was found, from what ShardStore::HasRoom said.
lmtp::RecipientOutcome ToLmtp(const StatusOr<storage::Room>& room);
lmtp::DeliveryOutcome ToLmtp(storage::DeliveryOutcome outcome);
// Why a message cannot be stored, from what Delivery::Write said.
lmtp::StorageFailure ToLmtp(const Status& write_status);

}  // namespace poplar::server
