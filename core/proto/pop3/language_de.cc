// German.

#include "core/proto/pop3/language.h"
#include "core/proto/pop3/replies.h"

namespace poplar::pop3 {
namespace {

constexpr Translation kTexts[] = {
    {reply::kUnknownCommand, "-ERR Unbekannter Befehl\r\n"},
    {reply::kLineTooLong, "-ERR Zeile zu lang\r\n"},
    {reply::kControlByte, "-ERR Steuerzeichen sind nicht erlaubt\r\n"},
    {reply::kTooManyBadCommands, "-ERR Zu viele falsche Befehle\r\n"},
    {reply::kMissingArgument, "-ERR Ein Argument fehlt\r\n"},
    {reply::kExtraArgument, "-ERR Ein Argument zu viel\r\n"},
    {reply::kNotANumber, "-ERR Hier gehört eine Zahl hin\r\n"},
    {reply::kNoSuchMessage, "-ERR Diese Nachricht gibt es nicht\r\n"},
    {reply::kMessageDeleted, "-ERR Diese Nachricht ist gelöscht\r\n"},
    {reply::kLogInFirst, "-ERR Erst anmelden\r\n"},
    {reply::kLoggedIn, "-ERR Schon angemeldet\r\n"},
    {reply::kCapabilitiesFollow, "+OK Es folgt, was der Server kann\r\n"},
    {reply::kLanguagesFollow, "+OK Es folgen die Sprachen\r\n"},
    {reply::kLanguageSpoken, "Sprache geändert\r\n"},
    {reply::kUnknownLanguage, "-ERR Diese Sprache spricht der Server nicht\r\n"},
    {reply::kSendPass, "+OK Jetzt PASS senden\r\n"},
    {reply::kUserFirst, "-ERR Erst USER senden\r\n"},
    {reply::kNoUser, "-ERR USER und PASS gibt es hier nicht; AUTH verwenden\r\n"},
    {reply::kUserTooLong, "-ERR Benutzername zu lang\r\n"},
    {reply::kUserNotUtf8, "-ERR Der Benutzername ist kein UTF-8\r\n"},
    {reply::kUtf8Taken, "+OK UTF-8 in Kopfzeilen ist willkommen\r\n"},
    {reply::kStlsBeforeLogin, "-ERR Ohne TLS keine Anmeldung; erst STLS senden\r\n"},
    {reply::kTlsOnly, "-ERR Ohne TLS keine Anmeldung; den TLS-Port verwenden\r\n"},
    {reply::kBeginTls, "+OK TLS beginnen\r\n"},
    {reply::kTlsActive, "-ERR TLS ist schon aktiv\r\n"},
    {reply::kNoTls, "-ERR TLS gibt es hier nicht\r\n"},
    {reply::kMechanismsFollow, "+OK Es folgen die Anmeldeverfahren\r\n"},
    {reply::kUnknownMechanism, "-ERR Unbekanntes Anmeldeverfahren\r\n"},
    {reply::kNotBase64, "-ERR Kein gültiges Base64\r\n"},
    {reply::kSaslCancelled, "-ERR Anmeldung abgebrochen\r\n"},
    {reply::kClientTaken, "+OK Übernommen\r\n"},
    {reply::kBadXclient, "-ERR Ungültige Angaben\r\n"},
    {reply::kBadCredentials, "-ERR [AUTH] Benutzername oder Passwort ist falsch\r\n"},
    {reply::kAccountDisabled, "-ERR [AUTH] Dieses Konto ist gesperrt\r\n"},
    {reply::kTooManyFailures, "-ERR [AUTH] Zu viele falsche Anmeldungen\r\n"},
    {reply::kThrottled,
     "-ERR [SYS/TEMP] Zu viele falsche Anmeldungen von dort; später wieder versuchen\r\n"},
    {reply::kInUse, "-ERR [IN-USE] Eine andere Sitzung hat dieses Postfach offen\r\n"},
    {reply::kTlsRequired,
     "-ERR [SYS/PERM] Ihr Anbieter verlangt TLS; bitte die Einstellungen des Mailprogramms "
     "ändern\r\n"},
    {reply::kMechanismOff,
     "-ERR [SYS/PERM] Ihr Anbieter lässt diese Art der Anmeldung nicht zu; bitte die Einstellungen "
     "des Mailprogramms ändern\r\n"},
    {reply::kLimited,
     "-ERR [SYS/TEMP] Zu viele Sitzungen oder Anmeldungen bei Ihrem Anbieter; später wieder "
     "versuchen\r\n"},
    {reply::kTooSoon,
     "-ERR [LOGIN-DELAY] Zu bald nach der letzten Anmeldung; später wieder versuchen\r\n"},
    {reply::kLoginTemporary,
     "-ERR [SYS/TEMP] Die Anmeldung ist gerade nicht möglich; später wieder versuchen\r\n"},
    {reply::kLoginPermanent,
     "-ERR [SYS/PERM] Die Anmeldung ist nicht möglich; bitte den Anbieter verständigen\r\n"},
    {reply::kMessage, " Nachricht ("},
    {reply::kMessages, " Nachrichten ("},
    {reply::kOctetsInAll, " Oktette)\r\n"},
    {reply::kOctets, " Oktette\r\n"},
    {reply::kUidlsFollow, "+OK Es folgen die Kennungen\r\n"},
    {reply::kDatesFollow, "+OK Es folgen Mikrosekunden seit 1970\r\n"},
    {reply::kTopFollows, "+OK Es folgt der Anfang der Nachricht\r\n"},
    {reply::kDeleted, "+OK Nachricht gelöscht\r\n"},
    {reply::kBodyTemporary,
     "-ERR [SYS/TEMP] Die Nachricht ist gerade nicht lesbar; später wieder versuchen\r\n"},
    {reply::kBodyPermanent,
     "-ERR [SYS/PERM] Die Nachricht ist beschädigt; bitte den Anbieter verständigen\r\n"},
    {reply::kBodyNeedsUtf8,
     "-ERR [UTF8] Der Kopf dieser Nachricht enthält UTF-8; vor der Anmeldung UTF8 senden\r\n"},
    {reply::kBodyGone, "-ERR Diese Nachricht ist nicht mehr da\r\n"},
    {reply::kGoodbye, "+OK Auf Wiedersehen\r\n"},
    {reply::kCommitFailed, "-ERR [SYS/TEMP] Nichts wurde gelöscht; später wieder versuchen\r\n"},
    {reply::kCommitUnknown,
     "-ERR [SYS/TEMP] Ob die Nachrichten gelöscht wurden, ist nicht bekannt\r\n"},
    {reply::kLoginTimeout, "-ERR Die Anmeldung hat zu lange gedauert\r\n"},
    {reply::kSessionTooOld, "-ERR Die Sitzung hat zu lange gedauert\r\n"},
    {reply::kShuttingDown, "-ERR [SYS/TEMP] Der Server wird beendet; bald wieder versuchen\r\n"},
    {reply::kKicked, "-ERR [SYS/TEMP] Die Sitzung wurde beendet\r\n"},
    {reply::kLeaseLost, "-ERR [SYS/TEMP] Das Postfach wurde entzogen; nichts wurde gelöscht\r\n"},
    {reply::kTooManyConnections,
     "-ERR [SYS/TEMP] Zu viele Verbindungen; später wieder versuchen\r\n"},
};

}  // namespace

const std::span<const Translation> kGermanTexts = kTexts;

}  // namespace poplar::pop3
