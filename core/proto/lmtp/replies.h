// Every fixed text that an LMTP client is told, with its line end (but kDeliveredAs): basic code
// (RFC 5321 §4.2.3), enhanced code (RFC 3463, RFC 5248), a sentence. None repeats what a client
// sent.

#pragma once

#include <string_view>

namespace poplar::lmtp::reply {

inline constexpr std::string_view kOk = "250 2.0.0 OK\r\n";
inline constexpr std::string_view kSenderOk = "250 2.1.0 Sender OK\r\n";
inline constexpr std::string_view kRecipientOk = "250 2.1.5 Recipient OK\r\n";
inline constexpr std::string_view kChunkOk = "250 2.0.0 Chunk received\r\n";
inline constexpr std::string_view kSendData = "354 End data with <CRLF>.<CRLF>\r\n";
inline constexpr std::string_view kBye = "221 2.0.0 Bye\r\n";
inline constexpr std::string_view kHelp =
    "214 2.0.0 LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT\r\n";
// RFC 5321 §3.5.3: an address is only known by resolving it at RCPT.
inline constexpr std::string_view kCannotVerify = "252 2.5.0 Cannot verify; try RCPT\r\n";

// Faults of a command.
inline constexpr std::string_view kUnknownCommand = "500 5.5.1 Unknown command\r\n";
inline constexpr std::string_view kSayLhlo = "500 5.5.1 This is LMTP: say LHLO\r\n";
inline constexpr std::string_view kNotImplemented = "502 5.5.1 Not implemented\r\n";
inline constexpr std::string_view kLineTooLong = "500 5.5.2 Line too long\r\n";
inline constexpr std::string_view kControlByte = "500 5.5.2 Control characters are not allowed\r\n";
inline constexpr std::string_view kNoArgument = "501 5.5.4 No argument is allowed here\r\n";
inline constexpr std::string_view kMissingArgument = "501 5.5.4 An argument is missing\r\n";
inline constexpr std::string_view kBadClientName =
    "501 5.5.4 LHLO needs a domain or an address literal\r\n";
inline constexpr std::string_view kMailSyntax = "501 5.5.4 Say MAIL FROM:<address>\r\n";
inline constexpr std::string_view kRcptSyntax = "501 5.5.4 Say RCPT TO:<address>\r\n";
inline constexpr std::string_view kBadSize = "501 5.5.4 SIZE needs a number\r\n";
inline constexpr std::string_view kBadBody = "501 5.5.4 BODY is 7BIT or 8BITMIME\r\n";
inline constexpr std::string_view kBadSmtputf8 = "501 5.5.4 SMTPUTF8 takes no value\r\n";
inline constexpr std::string_view kBadUidl =
    "501 5.5.4 XUIDL needs 1 to 70 octets of printable ASCII, as xtext\r\n";
inline constexpr std::string_view kBadReceived =
    "501 5.5.4 XRECEIVED needs microseconds since 1970\r\n";
inline constexpr std::string_view kParameterTwice = "501 5.5.4 A parameter stands there twice\r\n";
inline constexpr std::string_view kUnknownParameter = "555 5.5.4 Unknown parameter\r\n";
// What follows could be commands or content: there is no telling, so the session ends.
inline constexpr std::string_view kBadBdat = "501 5.5.4 Say BDAT octets [LAST]; closing\r\n";
inline constexpr std::string_view kBadSender = "501 5.1.7 Bad sender address\r\n";
inline constexpr std::string_view kBadRecipient = "501 5.1.3 Bad recipient address\r\n";
inline constexpr std::string_view kAddressTooLong = "501 5.5.4 Address too long\r\n";
inline constexpr std::string_view kNonAsciiSender =
    "553 5.6.7 A sender that is not ASCII needs SMTPUTF8\r\n";
inline constexpr std::string_view kNonAsciiRecipient =
    "553 5.6.7 A recipient that is not ASCII needs SMTPUTF8\r\n";

inline constexpr std::string_view kUnknownAttribute = "501 5.5.4 Unknown XCLIENT attribute\r\n";
inline constexpr std::string_view kBadAttribute = "501 5.5.4 Bad value of an XCLIENT attribute\r\n";
inline constexpr std::string_view kNoXclient =
    "550 5.7.0 XCLIENT is not allowed from your address\r\n";

// Commands out of order.
inline constexpr std::string_view kLhloFirst = "503 5.5.1 Say LHLO first\r\n";
inline constexpr std::string_view kMailFirst = "503 5.5.1 Say MAIL first\r\n";
inline constexpr std::string_view kNestedMail =
    "503 5.5.1 A transaction is open; say RSET first\r\n";
inline constexpr std::string_view kNoRecipients = "503 5.5.1 No valid recipients\r\n";
inline constexpr std::string_view kChunksBegun =
    "503 5.5.1 BDAT has begun; only BDAT may follow\r\n";

// Recipients.
inline constexpr std::string_view kUnknownMailbox = "550 5.1.1 No such mailbox\r\n";
inline constexpr std::string_view kDisabledMailbox = "550 5.2.1 This mailbox is disabled\r\n";
inline constexpr std::string_view kFullMailbox = "452 4.2.2 This mailbox is full\r\n";
inline constexpr std::string_view kFullMailboxForGood = "552 5.2.2 This mailbox is full\r\n";
inline constexpr std::string_view kFullTenant =
    "452 4.2.2 The quota of all mailboxes of this customer is used up\r\n";
inline constexpr std::string_view kFullTenantForGood =
    "552 5.2.2 The quota of all mailboxes of this customer is used up\r\n";
inline constexpr std::string_view kTooManyMessages =
    "452 4.2.2 This mailbox holds as many messages as it may\r\n";
inline constexpr std::string_view kTooManyMessagesForGood =
    "552 5.2.2 This mailbox holds as many messages as it may\r\n";
inline constexpr std::string_view kLimited =
    "451 4.7.1 Too much mail for this customer just now; try again later\r\n";
inline constexpr std::string_view kDirectoryDown =
    "451 4.4.3 The directory cannot be asked now; try again later\r\n";
inline constexpr std::string_view kTooManyRecipients =
    "452 4.5.3 Too many recipients; send the rest in another transaction\r\n";

// Messages.
inline constexpr std::string_view kDeliveredAs = "250 2.1.5 Delivered as ";  // An id follows.
// Who imports tells it from the others by its enhanced code.
inline constexpr std::string_view kAlreadyThere = "250 2.2.0 Already there\r\n";
inline constexpr std::string_view kMessageTooLarge = "552 5.3.4 The message is too large\r\n";
inline constexpr std::string_view kStorageFull = "452 4.3.1 Out of storage; try again later\r\n";
inline constexpr std::string_view kTemporaryFailure =
    "451 4.3.0 Temporary failure; try again later\r\n";
inline constexpr std::string_view kPermanentFailure = "554 5.3.0 The message cannot be stored\r\n";

// Ends.
inline constexpr std::string_view kShuttingDown =
    "421 4.3.2 Not in service now; try again later\r\n";
inline constexpr std::string_view kIdle = "421 4.4.2 Idle for too long; closing\r\n";
inline constexpr std::string_view kTooManyBadCommands =
    "421 4.7.0 Too many bad commands; closing\r\n";
// In place of a greeting, which the session does not say: on a private socket, and where a
// connection is one too many.
inline constexpr std::string_view kNotForYou =
    "554 5.7.1 This socket is for root and the server's own user\r\n";
inline constexpr std::string_view kTooManyConnections =
    "421 4.3.2 Too many connections; try again later\r\n";

}  // namespace poplar::lmtp::reply
