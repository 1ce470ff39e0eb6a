// French.

#include "core/proto/pop3/language.h"
#include "core/proto/pop3/replies.h"

namespace poplar::pop3 {
namespace {

constexpr Translation kTexts[] = {
    {reply::kUnknownCommand, "-ERR Commande inconnue\r\n"},
    {reply::kLineTooLong, "-ERR Ligne trop longue\r\n"},
    {reply::kControlByte, "-ERR Les caractères de contrôle sont interdits\r\n"},
    {reply::kTooManyBadCommands, "-ERR Trop de commandes erronées\r\n"},
    {reply::kMissingArgument, "-ERR Il manque un argument\r\n"},
    {reply::kExtraArgument, "-ERR Il y a un argument de trop\r\n"},
    {reply::kNotANumber, "-ERR Un nombre était attendu\r\n"},
    {reply::kNoSuchMessage, "-ERR Ce message n'existe pas\r\n"},
    {reply::kMessageDeleted, "-ERR Ce message est effacé\r\n"},
    {reply::kLogInFirst, "-ERR Connectez-vous d'abord\r\n"},
    {reply::kLoggedIn, "-ERR Déjà connecté\r\n"},
    {reply::kCapabilitiesFollow, "+OK Suivent les capacités\r\n"},
    {reply::kLanguagesFollow, "+OK Suivent les langues\r\n"},
    {reply::kLanguageSpoken, "Langue changée\r\n"},
    {reply::kUnknownLanguage, "-ERR Cette langue n'est pas parlée ici\r\n"},
    {reply::kSendPass, "+OK Envoyez PASS\r\n"},
    {reply::kUserFirst, "-ERR Envoyez d'abord USER\r\n"},
    {reply::kNoUser, "-ERR USER et PASS ne sont pas proposés ici ; utilisez AUTH\r\n"},
    {reply::kUserTooLong, "-ERR Nom d'utilisateur trop long\r\n"},
    {reply::kUserNotUtf8, "-ERR Le nom d'utilisateur n'est pas en UTF-8\r\n"},
    {reply::kUtf8Taken, "+OK L'UTF-8 dans les en-têtes est bienvenu\r\n"},
    {reply::kStlsBeforeLogin, "-ERR La connexion sans TLS est refusée ; envoyez d'abord STLS\r\n"},
    {reply::kTlsOnly, "-ERR La connexion sans TLS est refusée ; utilisez le port TLS\r\n"},
    {reply::kBeginTls, "+OK Commencez TLS\r\n"},
    {reply::kTlsActive, "-ERR TLS est déjà actif\r\n"},
    {reply::kNoTls, "-ERR TLS n'est pas disponible ici\r\n"},
    {reply::kMechanismsFollow, "+OK Suivent les mécanismes\r\n"},
    {reply::kUnknownMechanism, "-ERR Mécanisme d'authentification inconnu\r\n"},
    {reply::kNotBase64, "-ERR Base64 invalide\r\n"},
    {reply::kSaslCancelled, "-ERR Authentification annulée\r\n"},
    {reply::kClientTaken, "+OK Pris en compte\r\n"},
    {reply::kBadXclient, "-ERR Paramètres invalides\r\n"},
    {reply::kBadCredentials, "-ERR [AUTH] Le nom d'utilisateur ou le mot de passe est faux\r\n"},
    {reply::kAccountDisabled, "-ERR [AUTH] Ce compte est désactivé\r\n"},
    {reply::kTooManyFailures, "-ERR [AUTH] Trop de connexions échouées\r\n"},
    {reply::kThrottled,
     "-ERR [SYS/TEMP] Trop de connexions échouées depuis cette adresse ; réessayez plus tard\r\n"},
    {reply::kInUse, "-ERR [IN-USE] Une autre session a ouvert cette boîte\r\n"},
    {reply::kTlsRequired,
     "-ERR [SYS/PERM] Votre fournisseur exige TLS ; changez les réglages de votre logiciel de "
     "messagerie\r\n"},
    {reply::kMechanismOff,
     "-ERR [SYS/PERM] Votre fournisseur ne permet pas cette façon de se connecter ; changez les "
     "réglages de votre logiciel de messagerie\r\n"},
    {reply::kLimited,
     "-ERR [SYS/TEMP] Trop de sessions ou de connexions chez votre fournisseur ; réessayez plus "
     "tard\r\n"},
    {reply::kTooSoon,
     "-ERR [LOGIN-DELAY] Trop tôt après la dernière connexion ; réessayez plus tard\r\n"},
    {reply::kLoginTemporary,
     "-ERR [SYS/TEMP] La connexion est impossible pour le moment ; réessayez plus tard\r\n"},
    {reply::kLoginPermanent,
     "-ERR [SYS/PERM] La connexion est impossible ; prévenez votre fournisseur\r\n"},
    {reply::kMessage, " message ("},
    {reply::kMessages, " messages ("},
    {reply::kOctetsInAll, " octets)\r\n"},
    {reply::kOctets, " octets\r\n"},
    {reply::kUidlsFollow, "+OK Suivent les identifiants uniques\r\n"},
    {reply::kDatesFollow, "+OK Suivent les microsecondes depuis 1970\r\n"},
    {reply::kTopFollows, "+OK Suit le début du message\r\n"},
    {reply::kDeleted, "+OK Message effacé\r\n"},
    {reply::kBodyTemporary,
     "-ERR [SYS/TEMP] Le message ne peut pas être lu maintenant ; réessayez plus tard\r\n"},
    {reply::kBodyPermanent,
     "-ERR [SYS/PERM] Le message est endommagé ; prévenez votre fournisseur\r\n"},
    {reply::kBodyNeedsUtf8,
     "-ERR [UTF8] L'en-tête de ce message contient de l'UTF-8 ; envoyez UTF8 avant de vous "
     "connecter\r\n"},
    {reply::kBodyGone, "-ERR Ce message n'est plus là\r\n"},
    {reply::kGoodbye, "+OK Au revoir\r\n"},
    {reply::kCommitFailed, "-ERR [SYS/TEMP] Rien n'a été effacé ; réessayez plus tard\r\n"},
    {reply::kCommitUnknown, "-ERR [SYS/TEMP] On ignore si les messages ont été effacés\r\n"},
    {reply::kLoginTimeout, "-ERR La connexion a pris trop de temps\r\n"},
    {reply::kSessionTooOld, "-ERR La session a trop duré\r\n"},
    {reply::kShuttingDown, "-ERR [SYS/TEMP] Le serveur s'arrête ; réessayez bientôt\r\n"},
    {reply::kKicked, "-ERR [SYS/TEMP] La session a été fermée\r\n"},
    {reply::kLeaseLost, "-ERR [SYS/TEMP] La boîte a été retirée ; rien n'a été effacé\r\n"},
    {reply::kTooManyConnections, "-ERR [SYS/TEMP] Trop de connexions ; réessayez plus tard\r\n"},
};

}  // namespace

const std::span<const Translation> kFrenchTexts = kTexts;

}  // namespace poplar::pop3
