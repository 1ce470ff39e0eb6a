// Where exported messages go. Blocking; one thread.
//
// A message is a part of the mailbox only once all of it is durable: after a power cut it is there
// whole or not at all, so who begins again may go by what is there. Where it is broken all the same
// (a disk lost it, or a file came of an export that did not do so) its size tells, and it is
// written again.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/app/transfer/byte_source.h"
#include "core/app/transfer/pop3_client.h"
#include "core/app/transfer/uidl_format.h"

namespace poplar::app {

class MailFolder {
 public:
  virtual ~MailFolder() = default;

  // Whether the message is there, whole: from an export before, or since it came from there.
  virtual bool Holds(const Pop3Message& message) const = 0;
  // An error of the source leaves nothing of the message behind. Others see the message some time
  // later, when Finish has returned at the latest.
  virtual Status Add(const Pop3Message& message, ByteSource& source) = 0;
  // Makes durable and visible what was added. `listed` is the whole maildrop, in its order.
  virtual Status Finish(const std::vector<Pop3Message>& listed) = 0;
};

// Makes the folder where it is missing. `format` is Dovecot's, of whose messages that stand there
// it says the UIDLs. kInvalidArgument: its dovecot-uidlist is not understood.
StatusOr<std::unique_ptr<MailFolder>> OpenMaildirFolder(const std::string& path,
                                                        const UidlFormat& format);
// kAlreadyExists: a file stands there.
StatusOr<std::unique_ptr<MailFolder>> OpenMboxFile(const std::string& path);

}  // namespace poplar::app
