// Every fixed text that a POP3 client is told, with its line end. None repeats what a client sent.
//
// Response codes say whose a failure is (RFC 2449 §8, RFC 3206): [AUTH] the credentials, [IN-USE]
// another session's, [SYS/TEMP] ours for now, [SYS/PERM] ours until somebody mends it. A fault of
// the command itself has none.

#pragma once

#include <string_view>

namespace poplar::pop3::reply {

inline constexpr std::string_view kOk = "+OK\r\n";
inline constexpr std::string_view kEndOfList = ".\r\n";

// Faults of a command.
inline constexpr std::string_view kUnknownCommand = "-ERR Unknown command\r\n";
inline constexpr std::string_view kLineTooLong = "-ERR Line too long\r\n";
inline constexpr std::string_view kControlByte = "-ERR Control characters are not allowed\r\n";
inline constexpr std::string_view kTooManyBadCommands = "-ERR Too many bad commands\r\n";
inline constexpr std::string_view kMissingArgument = "-ERR An argument is missing\r\n";
inline constexpr std::string_view kExtraArgument = "-ERR There is an argument too many\r\n";
inline constexpr std::string_view kNotANumber = "-ERR A number was expected\r\n";
inline constexpr std::string_view kNoSuchMessage = "-ERR No such message\r\n";
inline constexpr std::string_view kMessageDeleted = "-ERR This message is deleted\r\n";
inline constexpr std::string_view kLogInFirst = "-ERR Log in first\r\n";
inline constexpr std::string_view kLoggedIn = "-ERR Already logged in\r\n";

// In either state.
inline constexpr std::string_view kCapabilitiesFollow = "+OK Capabilities follow\r\n";
inline constexpr std::string_view kLanguagesFollow = "+OK Languages follow\r\n";
// Behind "+OK" and its tag.
inline constexpr std::string_view kLanguageSpoken = "Language changed\r\n";
inline constexpr std::string_view kUnknownLanguage = "-ERR This language is not spoken here\r\n";

// AUTHORIZATION state.
inline constexpr std::string_view kSendPass = "+OK Send PASS\r\n";
inline constexpr std::string_view kUserFirst = "-ERR Send USER first\r\n";
inline constexpr std::string_view kNoUser = "-ERR USER and PASS are not offered here; use AUTH\r\n";
inline constexpr std::string_view kUserTooLong = "-ERR User name too long\r\n";
inline constexpr std::string_view kUserNotUtf8 = "-ERR The user name is not UTF-8\r\n";
inline constexpr std::string_view kUtf8Taken = "+OK UTF-8 in headers is welcome\r\n";
inline constexpr std::string_view kStlsBeforeLogin =
    "-ERR Logging in without TLS is refused; send STLS first\r\n";
inline constexpr std::string_view kTlsOnly =
    "-ERR Logging in without TLS is refused; use the TLS port\r\n";
inline constexpr std::string_view kBeginTls = "+OK Begin TLS\r\n";
inline constexpr std::string_view kTlsActive = "-ERR TLS is active already\r\n";
inline constexpr std::string_view kNoTls = "-ERR TLS is not available here\r\n";
inline constexpr std::string_view kMechanismsFollow = "+OK Mechanisms follow\r\n";
inline constexpr std::string_view kUnknownMechanism = "-ERR Unknown authentication mechanism\r\n";
inline constexpr std::string_view kNotBase64 = "-ERR Invalid base64\r\n";
inline constexpr std::string_view kSaslCancelled = "-ERR Authentication cancelled\r\n";

// What Dovecot's proxies are used to.
inline constexpr std::string_view kClientTaken = "+OK Updated\r\n";
inline constexpr std::string_view kBadXclient = "-ERR Invalid parameters\r\n";

// Outcomes of a login. The first is the same for an unknown user and for a wrong password.
inline constexpr std::string_view kBadCredentials =
    "-ERR [AUTH] The user name or the password is wrong\r\n";
inline constexpr std::string_view kAccountDisabled = "-ERR [AUTH] This account is disabled\r\n";
inline constexpr std::string_view kTooManyFailures = "-ERR [AUTH] Too many failed logins\r\n";
// The password may be right, so it is no [AUTH]: a mail program would ask for another.
inline constexpr std::string_view kThrottled =
    "-ERR [SYS/TEMP] Too many failed logins from there; try again later\r\n";
inline constexpr std::string_view kInUse =
    "-ERR [IN-USE] Another session has this maildrop open\r\n";
// The password is right and the provider's rule is another: no [AUTH] (RFC 3206 §4).
inline constexpr std::string_view kTlsRequired =
    "-ERR [SYS/PERM] Your provider requires TLS; change your mail program's settings\r\n";
inline constexpr std::string_view kMechanismOff =
    "-ERR [SYS/PERM] Your provider does not allow this way to log in; change your settings\r\n";
inline constexpr std::string_view kLimited =
    "-ERR [SYS/TEMP] Too many sessions or log-ins at your provider; try again later\r\n";
inline constexpr std::string_view kTooSoon =
    "-ERR [LOGIN-DELAY] Too soon after the last log-in; try again later\r\n";
inline constexpr std::string_view kLoginTemporary =
    "-ERR [SYS/TEMP] Logging in is not possible now; try again later\r\n";
inline constexpr std::string_view kLoginPermanent =
    "-ERR [SYS/PERM] Logging in is not possible; tell your provider\r\n";

// TRANSACTION and UPDATE states. Behind the number of messages, the octets of all of them, and the
// octets of one.
inline constexpr std::string_view kMessage = " message (";
inline constexpr std::string_view kMessages = " messages (";
inline constexpr std::string_view kOctetsInAll = " octets)\r\n";
inline constexpr std::string_view kOctets = " octets\r\n";
inline constexpr std::string_view kUidlsFollow = "+OK Unique-ids follow\r\n";
inline constexpr std::string_view kDatesFollow = "+OK Microseconds since 1970 follow\r\n";
inline constexpr std::string_view kTopFollows = "+OK Top of message follows\r\n";
inline constexpr std::string_view kDeleted = "+OK Message deleted\r\n";
inline constexpr std::string_view kBodyTemporary =
    "-ERR [SYS/TEMP] The message cannot be read now; try again later\r\n";
inline constexpr std::string_view kBodyPermanent =
    "-ERR [SYS/PERM] The message is damaged; tell your provider\r\n";
// RFC 6856 §2.1: a client that did not ask for UTF-8.
inline constexpr std::string_view kBodyNeedsUtf8 =
    "-ERR [UTF8] The header of this message holds UTF-8; send UTF8 before you log in\r\n";
inline constexpr std::string_view kBodyGone = "-ERR This message is no longer there\r\n";
inline constexpr std::string_view kGoodbye = "+OK Goodbye\r\n";
inline constexpr std::string_view kCommitFailed =
    "-ERR [SYS/TEMP] Nothing was deleted; try again later\r\n";
inline constexpr std::string_view kCommitUnknown =
    "-ERR [SYS/TEMP] Whether the messages were deleted is not known\r\n";

// Ends that the server brings about.
inline constexpr std::string_view kLoginTimeout = "-ERR Logging in took too long\r\n";
inline constexpr std::string_view kSessionTooOld = "-ERR The session lasted too long\r\n";
inline constexpr std::string_view kShuttingDown =
    "-ERR [SYS/TEMP] The server is shutting down; try again soon\r\n";
inline constexpr std::string_view kKicked = "-ERR [SYS/TEMP] The session was ended\r\n";
inline constexpr std::string_view kLeaseLost =
    "-ERR [SYS/TEMP] The maildrop was taken away; nothing was deleted\r\n";
// Instead of a greeting, where no session can be had.
inline constexpr std::string_view kNotForYou =
    "-ERR [SYS/PERM] This socket is for root and the server's own user\r\n";
inline constexpr std::string_view kTooManyConnections =
    "-ERR [SYS/TEMP] Too many connections; try again later\r\n";

}  // namespace poplar::pop3::reply
